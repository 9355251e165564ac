/**
 * A server whose tools ask people, by the SDK. EFFECTS_FILE names the file that gets a line for each effect: of `book` and
 * `twice` after the answers, of `act_first` before the question.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { ElicitRequestFormParams } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

const server = new McpServer({ name: 'asking', version: '1.0.0' });
const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const input = { inputSchema: { text: z.string() } };
const dayMs = 86_400_000;

const seat: ElicitRequestFormParams['requestedSchema'] = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 2, maxLength: 20 },
    mail: { type: 'string', format: 'email' },
    seats: { type: 'integer', minimum: 1, maximum: 4 },
    price: { type: 'number' },
    window: { type: 'boolean' },
    colour: { type: 'string', enum: ['red', 'blue'] },
  },
  required: ['name', 'seats'],
};

function effect(tool: string, words: string): void {
  const line = { tool, text: words, at: Date.now(), pid: process.pid };
  appendFileSync(process.env.EFFECTS_FILE ?? '/dev/null', `${JSON.stringify(line)}\n`);
}

function ask(message: string, requestedSchema = seat, options = {}) {
  return server.server.elicitInput({ message, requestedSchema }, { timeout: dayMs, ...options });
}

server.registerTool('book', { description: 'Asks who sits where, then books.', ...input }, async (args) => {
  const answer = await ask(`Who sits where? (${args.text})`);
  if (answer.action === 'accept') effect('book', args.text);
  return text(JSON.stringify(answer));
});

server.registerTool('twice', { description: 'Asks the same twice, then books.', ...input }, async (args) => {
  const answers = [await ask('Who is next?'), await ask('Who is next?')];
  effect('twice', args.text);
  return text(JSON.stringify(answers.map(({ content }) => content?.name)));
});

server.registerTool('act_first', { description: 'Acts, then asks.', ...input }, async (args) => {
  effect('act_first', args.text);
  return text(JSON.stringify(await ask('What now?')));
});

server.registerTool(
  'impatient',
  { description: 'Asks, and waits for half a second.', ...input },
  async () => {
    const stop = new AbortController();
    const asked = ask('Quick?', seat, { signal: stop.signal }).catch(() => null);
    await delay(500);
    stop.abort();
    await asked;
    return text('nobody answered');
  },
);

// Also while a question is open, whose answer it would wait for until its timer runs out.
process.stdin.once('end', () => process.exit());
await server.connect(new StdioServerTransport());
