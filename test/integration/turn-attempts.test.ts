import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/* Which attempts count, and that none goes on for ever. */
const settings = { MODEL_MAX_ATTEMPTS: '2' };

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
});
afterAll(() => at.close());

test('attempts that were lost with their worker do not count as failed', async () => {
  const before = at.model.requests.length;
  const attempt = () => at.model.requests.length - before;
  // Three times the worker stops while the model speaks, then the model fails once, then it answers.
  at.model.script(() => {
    if (attempt() <= 3) return ['so far', { hang: true }];
    return attempt() === 4 ? [{ drop: true }] : ['at last'];
  });
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  for (let n = 1; n <= 3; n += 1) {
    const worker = await at.startWorker(settings);
    await eventually(`request ${n}`, async () => attempt() >= n);
    await worker.close();
  }
  const worker = await at.startWorker(settings);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await at.event(sessionId, 'stream_end')).toMatchObject({ content: 'at last' });
  await worker.close();
});

test('a step that always loses its worker is given up', async () => {
  at.model.script(() => ['hello']);
  const sessionId = await at.session();
  const turnId = await at.say(sessionId, 'go');
  // As if many workers had died of it: each had counted its attempt, and none had come to say why it failed.
  await at.db.query(`update turns set status = 'running', run_id = $2 where id = $1`, [
    turnId,
    await runOf(sessionId),
  ]);
  await at.db.query('insert into steps (turn_id, step, message_id, attempt) values ($1, 1, $2, 21)', [
    turnId,
    `message of ${turnId}`,
  ]);
  const worker = await at.startWorker(settings);
  const end = await at.event(sessionId, 'turn_end');
  expect(end).toMatchObject({ status: 'failed', error: { code: 'processing_error' } });
  expect(end.error?.message).toMatch(/begun 21 times/);
  await worker.close();
});

test('a turn whose agent is gone while a call waits runs what was approved and then fails, instead of trying for ever', async () => {
  at.model.script(() => [{ toolCall: { name: 'test__effect', arguments: { text: 'orphan' } } }]);
  const worker = await at.startWorker(settings);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  const file = join(at.config.TURNGATE_AGENTS_DIR, 'default.yaml');
  renameSync(file, `${file}.gone`);
  await at.decide(sessionId, tool_call_id, true);
  const end = await at.event(sessionId, 'turn_end');
  expect(end).toMatchObject({ status: 'failed', error: { code: 'processing_error' } });
  expect(end.error?.message).toMatch(/default.*given up after 2 attempts/s);
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  expect(at.effects().map(({ text }) => text)).toEqual(['orphan']);
  renameSync(`${file}.gone`, file);
  await worker.close();
});

test('an attempt of a step that another one has overtaken writes nothing, and its run gives the turn up at once', async () => {
  const { promise: overtaken, resolve: goOn } = Promise.withResolvers<void>();
  const before = at.model.requests.length;
  at.model.script(() => ['so far', { until: overtaken }, ' and to the end']);
  const worker = await at.startWorker(settings);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  await eventually('the request', async () => at.model.requests.length > before);
  await at.event(sessionId, 'stream_start');
  await at.db.query('update steps set attempt = attempt + 1');
  goOn();
  const end = await at.event(sessionId, 'turn_end');
  expect(end).toMatchObject({ status: 'failed', error: { message: 'The turn was ended outside this run.' } });
  const types = (await at.events(sessionId)).map(({ type }) => type);
  expect(types).toEqual(['message_saved', 'turn_started', 'stream_start', 'stream_reset', 'turn_end']);
  expect(at.model.requests).toHaveLength(before + 1);
  await worker.close();
});

test('an attempt of a call that another one has overtaken does not answer for it: the next learns how it stands', async () => {
  at.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? ['done']
      : [{ toolCall: { name: 'test__slow', arguments: { seconds: 0.4 } } }],
  );
  const worker = await at.startWorker(settings);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id: id } = await at.event(sessionId, 'tool_started');
  await at.db.query('update tool_calls set attempt = 2, lease_until = now() where id = $1', [id]);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  const events = await at.events(sessionId);
  expect(events.flatMap((event) => (event.type === 'tool_started' ? [event.attempt] : []))).toEqual([1, 3]);
  expect(events.filter(({ type }) => type === 'tool_result')).toHaveLength(1);
  expect(await at.event(sessionId, 'tool_late_result')).toMatchObject({ attempt: 1, status: 'completed' });
  await worker.close();
});

async function runOf(sessionId: string): Promise<string> {
  const { runId } = await at.client.workflow.getHandle(`session:${sessionId}`).describe();
  return runId;
}
