import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { requestCancel } from '../../src/store/turns.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
let worker: Awaited<ReturnType<TurnHarness['startWorker']>>;
beforeAll(async () => {
  at = await openTurnHarness();
});
afterEach(() => worker.close());
afterAll(() => at.close());

const settings = { TURN_DEBUG: 'on', TEMPORAL_UI: 'http://127.0.0.1:8233/', MODEL_MAX_ATTEMPTS: '2' };
const modelDelayMs = 300;

test('turn_end tells developers model, time to the first token, attempts, rules and the run', async () => {
  worker = await at.startWorker(settings);
  let n = 0;
  at.model.script(() => {
    n += 1;
    if (n === 1) return [{ drop: true }];
    if (n === 2) {
      const calls = ['echo', 'effect', 'echo'].map((name) => ({
        toolCall: { name: `test__${name}`, arguments: { text: 'x' } },
      }));
      return [{ delayMs: modelDelayMs }, 'let me see', ...calls];
    }
    return ['done'];
  });
  const sessionId = await at.session();
  const turnId = await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, tool_call_id, true);
  const { debug } = await at.event(sessionId, 'turn_end');
  const started = await at.event(sessionId, 'turn_started');
  expect(debug).toMatchObject({
    model: 'test',
    attempts: 3,
    run_link: `http://127.0.0.1:8233/namespaces/default/workflows/session%3A${sessionId}/${started.run_id}/history`,
  });
  // The rule of a call that was allowed, and that of one that was asked for, each once.
  const calls = (await at.events(sessionId)).flatMap((event) =>
    event.type === 'tool_call' ? [event.rule] : [],
  );
  expect(debug?.rules).toEqual([...new Set(calls)]);
  expect(debug?.rules).toHaveLength(2);
  // From asking to the first word, of the attempt that got one.
  const first = debug?.first_token_ms ?? 0;
  const end = await at.event(sessionId, 'turn_end', (event) => event.turn_id === turnId);
  expect(first).toBeGreaterThanOrEqual(modelDelayMs);
  expect(first).toBeLessThan(end.ts - started.ts);
});

test('a turn that failed tells what there is', async () => {
  worker = await at.startWorker(settings);
  at.model.script(() => ({ status: 401, message: 'no such key' }));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const failed = await at.event(sessionId, 'turn_end');
  expect(failed).toMatchObject({ status: 'failed', debug: { model: 'test', attempts: 1, rules: [] } });
  expect(failed.debug?.first_token_ms).toBeNull();
});

test('without the setting nothing of it is told', async () => {
  worker = await at.startWorker();
  at.model.script(() => ['hello']);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  expect(await at.event(sessionId, 'turn_end')).not.toHaveProperty('debug');
  at.model.script(() => [{ toolCall: { name: 'test__effect', arguments: { text: 'never' } } }]);
  const turnId = await at.say(sessionId, 'ask');
  await at.event(sessionId, 'tool_approval_request');
  await requestCancel(at.db, { sessionId, userId: 'alice' });
  await at.turns.cancel(sessionId, turnId);
  const end = await at.event(sessionId, 'turn_end', (event) => event.turn_id === turnId);
  expect(end).not.toHaveProperty('debug');
});
