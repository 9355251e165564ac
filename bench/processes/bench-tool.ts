import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { stamp } from '../clock.ts';

/** An MCP server whose one tool answers when the request had arrived. */
const server = new Server({ name: 'turngate-bench', version: '1.0.0' }, { capabilities: { tools: {} } });
const tool = {
  name: 'begin',
  description: 'Says what time it is.',
  inputSchema: { type: 'object' },
} as const;
server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [tool] }));
server.setRequestHandler(CallToolRequestSchema, () => ({ content: [{ type: 'text', text: stamp() }] }));
await server.connect(new StdioServerTransport());
process.stdin.on('end', () => process.exit(0));
