/**
 * A real MCP server of the fault kit, run as `node test/mcp-servers/effects.ts effects` or `... asking`. Every effect is a line of EFFECTS_FILE,
 * on disk before anything is answered. `keyed` and `noted` are marked idempotent and honour keys: only the first line of a
 * key is an effect, and a repeat is given the answer of that one. The others are not marked and look at no key: every line
 * is an effect.
 * MOMENTS_URL is told of every moment of a call, and the call goes on when that is answered: who listens there may kill
 * somebody first.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { z } from 'zod';
import type { EffectLine, Moment } from '../faults/tools/effect-line.ts';
import { honoursKeys, serverOf, toolNames } from '../faults/tools/plan.ts';

const momentBoundMs = 20_000;
const file = process.env.EFFECTS_FILE;
const momentsUrl = process.env.MOMENTS_URL;
if (file === undefined || momentsUrl === undefined)
  throw new Error('EFFECTS_FILE and MOMENTS_URL are not set.');

const server = new McpServer({ name: 'turngate-effects', version: '1.0.0' });
let running = 0;
let isLeft = false;

for (const tool of toolNames.filter((name) => serverOf(name) === process.argv[2])) {
  const annotations = honoursKeys(tool) ? { readOnlyHint: false, idempotentHint: true } : {};
  server.registerTool(
    tool,
    {
      description: 'Has an effect, once for each time that it is called.',
      inputSchema: { nonce: z.string(), text: z.string(), people: z.union([z.literal(1), z.literal(2)]) },
      annotations,
    },
    async (input, extra) => {
      running += 1;
      try {
        const key = String(extra._meta?.['turngate/toolCallId'] ?? '');
        const choice = tool === 'asks' ? { choice: await askPerson(input.nonce) } : {};
        await tell({ moment: 'received', nonce: input.nonce, key, pid: process.pid });
        const answer = write({ tool, key, nonce: input.nonce, arguments: input, ...choice });
        await tell({ moment: 'written', nonce: input.nonce, key, pid: process.pid });
        return { content: [{ type: 'text', text: answer }] };
      } finally {
        running -= 1;
        if (isLeft && running === 0) process.exit(0);
      }
    },
  );
}

/**
 * Lines are appended whole, so the first line of a key is the same for everybody who reads, also for a second server
 * that got the same call.
 * @returns what the tool answers
 */
function write(effect: Pick<EffectLine, 'tool' | 'key' | 'nonce' | 'arguments' | 'choice'>): string {
  const line: EffectLine = {
    ...effect,
    id: randomUUID(),
    attempt: 1 + linesOf(effect.key).length,
    at: Date.now(),
    pid: process.pid,
  };
  const descriptor = openSync(String(file), 'a', 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify(line)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  return honoursKeys(effect.tool) ? String(linesOf(effect.key)[0]?.id) : line.id;
}

/** @throws Error where nobody chooses: then the call has no effect */
async function askPerson(nonce: string): Promise<string> {
  const choice = { type: 'string' as const, enum: ['red', 'blue'] };
  const { action, content } = await server.server.elicitInput({
    message: `Which one for ${nonce}?`,
    requestedSchema: { type: 'object', properties: { choice }, required: ['choice'] },
  });
  if (action !== 'accept') throw new Error('Nobody chose.');
  return String(content?.choice);
}

function linesOf(key: string): EffectLine[] {
  return readFileSync(String(file), 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"${key}"`))
    .map((line) => JSON.parse(line) as EffectLine);
}

async function tell(moment: Moment): Promise<void> {
  const told = fetch(String(momentsUrl), {
    method: 'POST',
    body: JSON.stringify(moment),
    signal: AbortSignal.timeout(momentBoundMs),
  });
  // Whoever watched is gone: the tool does its work all the same.
  await told.then((answer) => answer.text()).catch(() => undefined);
}

await server.connect(new StdioServerTransport());
// A worker that was killed does not stop what its tool is doing.
process.stdin.on('end', () => {
  isLeft = true;
  if (running === 0) process.exit(0);
});
// Its worker reads no answers any more; the effect is what counts.
process.stdout.on('error', () => undefined);
