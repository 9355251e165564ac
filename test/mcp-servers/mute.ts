/**
 * Has its effect, a line of EFFECTS_FILE with the key of the call, and says so only for the `answers`-th call of a key: before
 * that it keeps silent. `deaf` answers, and reads nothing more from then on.
 */
import { appendFileSync, closeSync, readFileSync } from 'node:fs';
import { say, serve, text, tool } from './raw.ts';

const stdin = 0;
const file = String(process.env.EFFECTS_FILE);
appendFileSync(file, '');

serve({
  tools: [
    tool('keyed', { annotations: { idempotentHint: true } }),
    tool('reads', { annotations: { readOnlyHint: true } }),
    tool('plain'),
    tool('deaf'),
  ],
  call({ id, params }, name) {
    const key = String(params?._meta?.['turngate/toolCallId']);
    appendFileSync(file, `${key}\n`);
    const times = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line === key).length;
    if (name === 'deaf') closeSync(stdin);
    if (name === 'deaf' || times === params?.arguments?.answers) say({ id, result: text(`${times}`) });
  },
});
// Deaf as it is, it lives on.
setInterval(() => undefined, 60_000);
