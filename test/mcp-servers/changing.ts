/**
 * A real MCP server whose tool tells of itself what the file TOOL_FILE says (JSON: description, schema), read anew at
 * each `tools/list`, without a word to its client. Each call is a line of EFFECTS_FILE; PID_FILE gets its process's id.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const { TOOL_FILE, EFFECTS_FILE, PID_FILE } = process.env;
if (TOOL_FILE === undefined || EFFECTS_FILE === undefined)
  throw new Error('TOOL_FILE and EFFECTS_FILE are not set.');
if (PID_FILE !== undefined) writeFileSync(PID_FILE, String(process.pid));

const server = new Server({ name: 'turngate-changing', version: '1.0.0' }, { capabilities: { tools: {} } });
server.setRequestHandler(ListToolsRequestSchema, () => {
  const { description, schema } = JSON.parse(readFileSync(TOOL_FILE, 'utf8'));
  return { tools: [{ name: 'send', description, inputSchema: schema }] };
});
server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
  appendFileSync(EFFECTS_FILE, `${JSON.stringify(params.arguments)}\n`);
  return { content: [{ type: 'text', text: `sent ${JSON.stringify(params.arguments)}` }] };
});
await server.connect(new StdioServerTransport());
