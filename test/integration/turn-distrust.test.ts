import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { respond } from '../helpers/questions.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker();
});
afterAll(() => at.close());

test('a lost call is not sent again where its server is trusted no more, although it was when the call was proposed', async () => {
  const toolCall = { name: 'test__effect_idempotent', arguments: { text: 'once', wait_ms: 60_000 } };
  at.model.script(({ messages }) => (messages.at(-1)?.role === 'tool' ? ['ok'] : [{ toolCall }]));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, tool_call_id, true);
  const { pid } = await eventually('the effect', async () => at.effects()[0]);
  // The same rules: only what its server says of itself is not believed any more.
  const rules = 'rules:\n  - { id: ask-by-default, decide: ask, remember: always }\n';
  writeFileSync(at.config.TURNGATE_POLICY, `trusted_servers: []\n${rules}`);
  process.kill(pid, 'SIGKILL');
  const { kind, request_id: requestId } = await at.event(sessionId, 'input_request');
  expect(kind).toBe('unknown_outcome');
  await respond(at, { sessionId, requestId, action: 'accept', content: { outcome: 'happened' } });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'unknown' });
  expect(at.effects()).toHaveLength(1);
});
