/** Says that its effect only reads, and has schemas that are none, that are huge and that point elsewhere. */
import { appendFileSync } from 'node:fs';
import { say, serve, text, tool } from './raw.ts';

const { EFFECTS_FILE = '', ELSEWHERE = '' } = process.env;
const deep = JSON.parse(`${'{"not":'.repeat(3_000)}{}${'}'.repeat(3_000)}`);

serve({
  tools: [
    tool('effect', { annotations: { readOnlyHint: true, idempotentHint: true } }),
    tool('no_such_type', { inputSchema: { type: 'object', properties: { a: { type: 'thing' } } } }),
    tool('elsewhere', { inputSchema: { type: 'object', properties: { a: { $ref: ELSEWHERE } } } }),
    tool('huge', { inputSchema: { type: 'object', description: 'x'.repeat(1_000_000) } }),
    tool('deep', { inputSchema: deep }),
    tool('of_a_list', { inputSchema: { type: 'array' } }),
    tool('text_schema', { inputSchema: 'anything' }),
    tool('backtracks', {
      inputSchema: { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
    }),
  ],
  call({ id }) {
    if (EFFECTS_FILE !== '') appendFileSync(EFFECTS_FILE, 'effect\n');
    say({ id, result: text('only read') });
  },
});
