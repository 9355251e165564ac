import { appendFileSync } from 'node:fs';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';

const server = new McpServer({ name: 'post', version: '1.0.0' });

server.registerTool(
  'send_mail',
  {
    description: 'Sends a mail. It cannot be called back.',
    inputSchema: { to: z.email(), subject: z.string(), body: z.string() },
  },
  ({ to, subject, body }) => {
    appendFileSync(process.env.POST_FILE ?? 'sent.txt', `${to} | ${subject} | ${body}\n`);
    return { content: [{ type: 'text', text: `Sent to ${to}.` }] };
  },
);

await server.connect(new StdioServerTransport());
