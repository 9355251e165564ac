/**
 * A real MCP server for tests, run as `node test/helpers/test-mcp.ts`. EFFECTS_FILE names the file that `effect`,
 * `effect_idempotent` and `hold…` append to: one JSON line per execution (and one where a `hold…` hears that it is
 * cancelled), on disk before the wait begins.
 */
import { closeSync, existsSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import { McpError, type ServerNotification, type ServerRequest } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;
const server = new McpServer({ name: 'turngate-test', version: '1.0.0' });
const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });

async function report(extra: Extra, progress: number, total: number): Promise<void> {
  const progressToken = extra._meta?.progressToken;
  if (progressToken === undefined) return;
  const params = { progressToken, progress, total, message: `${progress} of ${total}` };
  await extra.sendNotification({ method: 'notifications/progress', params });
}

function appendEffect(tool: string, words: string, extra: Extra): void {
  const file = process.env.EFFECTS_FILE;
  if (file === undefined) throw new Error('EFFECTS_FILE is not set.');
  const toolCallId = extra._meta?.['turngate/toolCallId'] ?? null;
  const line = JSON.stringify({
    tool,
    text: words,
    tool_call_id: toolCallId,
    at: Date.now(),
    pid: process.pid,
  });
  const descriptor = openSync(file, 'a', 0o600);
  writeSync(descriptor, `${line}\n`);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

server.registerTool(
  'slow',
  {
    description: 'Waits, and says every 200 ms how far it is.',
    inputSchema: { seconds: z.number().min(0).max(120) },
    annotations: { readOnlyHint: true },
  },
  async ({ seconds }, extra) => {
    const steps = Math.ceil(seconds * 5);
    for (let step = 1; step <= steps; step += 1) {
      await delay(200, undefined, { signal: extra.signal });
      await report(extra, step, steps);
    }
    return text(`waited ${seconds} s`);
  },
);

const effectInput = { text: z.string(), wait_ms: z.number().int().min(0).max(120_000).default(0) };
for (const [name, annotations] of [
  ['effect', { readOnlyHint: false, idempotentHint: false }],
  ['effect_idempotent', { readOnlyHint: false, idempotentHint: true }],
] as const) {
  server.registerTool(
    name,
    { description: 'Appends a line to the effects file, then waits.', inputSchema: effectInput, annotations },
    async (input, extra) => {
      appendEffect(name, input.text, extra);
      await delay(input.wait_ms);
      return text(`appended ${input.text}`);
    },
  );
}

for (const [name, readOnlyHint] of [
  ['hold', true],
  ['hold_effect', false],
] as const) {
  server.registerTool(
    name,
    {
      description:
        'Appends a line to the effects file, then waits until the file is there, or it is cancelled.',
      inputSchema: { file: z.string() },
      annotations: { readOnlyHint, idempotentHint: false },
    },
    async ({ file }, extra) => {
      appendEffect(name, file, extra);
      extra.signal.addEventListener('abort', () => appendEffect('cancelled', file, extra));
      while (!existsSync(file)) await delay(20, undefined, { signal: extra.signal });
      return text('held until now');
    },
  );
}

server.registerTool(
  'echo',
  { description: 'Says it again.', inputSchema: { text: z.string() }, annotations: { readOnlyHint: true } },
  (input) => text(input.text),
);

server.registerTool(
  'big',
  {
    description: 'A long text.',
    inputSchema: { chars: z.number().int().max(5_000_000) },
    annotations: { readOnlyHint: true },
  },
  ({ chars }) => text('x'.repeat(chars)),
);

server.registerTool(
  'environment',
  { description: 'The names and values of its environment.', annotations: { readOnlyHint: true } },
  () => text(JSON.stringify(process.env)),
);

server.registerTool(
  'fail',
  { description: 'Fails with this message.', inputSchema: { message: z.string() } },
  ({ message }) => ({ ...text(message), isError: true }),
);

server.registerTool('crash', { description: 'Exits before it answers.' }, () => process.exit(7));

server.registerTool('learn', { description: 'Adds a tool called learned.' }, () => {
  server.registerTool('learned', { description: 'New.' }, () => text('yes'));
  return text('learned it');
});

// McpServer turns what a tool throws into a result; a refusal by the protocol itself is answered below it.
const inner = server.server;
server.registerTool('refuse', { description: 'Is refused by the server, not by the tool.' }, () => text(''));
await server.connect(new StdioServerTransport());
const onmessage = inner.transport?.onmessage;
if (inner.transport !== undefined) {
  const { transport } = inner;
  transport.onmessage = (message, extra) => {
    const refused =
      'method' in message &&
      'id' in message &&
      message.method === 'tools/call' &&
      message.params?.name === 'refuse';
    if (!refused) return onmessage?.(message, extra);
    const { code, message: words } = new McpError(-32_000, 'not today');
    void transport.send({ jsonrpc: '2.0', id: message.id, error: { code, message: words } });
  };
}
process.stderr.write('test-mcp is ready\n');
// Whoever started it is gone: so is the reason to wait on.
process.stdin.on('end', () => process.exit(0));
