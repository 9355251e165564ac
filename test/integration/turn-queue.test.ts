import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CUT_NOTE } from '../../src/activities/model-messages.ts';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { requestCancel } from '../../src/store/turns.ts';
import type { ModelCall } from '../helpers/scripted-model.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
});
afterAll(() => at.close());

const userWords = (request: ModelCall) =>
  String(request.messages.findLast((message) => message.role === 'user')?.content);

test('twelve messages sent with no worker running become twelve turns in order', async () => {
  at.model.script((request) => [`re: ${userWords(request)}`]);
  const sessionId = await at.session();
  const turnIds: string[] = [];
  for (let n = 1; n <= 12; n += 1) turnIds.push(await at.say(sessionId, `message ${n}`));
  const worker = await at.startWorker();
  await at.event(sessionId, 'turn_end', (event) => event.turn_id === turnIds.at(-1));
  const events = await at.events(sessionId);
  const ends = events.flatMap((event) => (event.type === 'turn_end' ? [event.turn_id] : []));
  expect(ends).toEqual(turnIds);
  const answers = events.flatMap((event) => (event.type === 'stream_end' ? [event.content] : []));
  expect(answers).toEqual(turnIds.map((_, index) => `re: message ${index + 1}`));
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
  await eventually('one run a turn', async () => (await at.runs(sessionId)) === 12);
  await worker.close();
});

test('the same message five times at once is one turn with five equal answers', async () => {
  at.model.script(() => ['once']);
  const worker = await at.startWorker();
  const sessionId = await at.session();
  const message = { sessionId, userId: 'alice', clientMessageId: 'm1', content: 'hello' };
  const accepted = await Promise.all(Array.from({ length: 5 }, () => acceptMessage(at.db, message)));
  const answers = accepted.map(({ events: _, ...answer }) => answer);
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  await expect(acceptMessage(at.db, { ...message, content: 'other' })).rejects.toMatchObject({
    code: 'conflict',
  });
  // Nobody woke the session: the reconciler does, within seconds.
  await at.event(sessionId, 'turn_end');
  const events = await at.events(sessionId);
  expect(events.filter((event) => event.type === 'message_saved')).toHaveLength(1);
  expect(events.filter((event) => event.type === 'turn_end')).toHaveLength(1);
  await worker.close();
});

test('a cancelled turn keeps what was said, the next one runs; a queued one ends where it is', async () => {
  const worker = await at.startWorker();
  at.model.script((request) =>
    userWords(request) === 'long' ? ['so far', { hang: true }] : [`re: ${userWords(request)}`],
  );
  const sessionId = await at.session();
  const long = await at.say(sessionId, 'long');
  await eventually('a draft', async () => {
    const { rows } = await at.db.query('select content from drafts where session_id = $1', [sessionId]);
    return rows[0]?.content === 'so far';
  });
  const dropped = await at.say(sessionId, 'dropped');
  const next = await at.say(sessionId, 'next');
  expect(await requestCancel(at.db, { sessionId, turnId: dropped, userId: 'alice' })).toMatchObject({
    running: false,
  });
  expect(await requestCancel(at.db, { sessionId, userId: 'alice' })).toMatchObject({
    turnId: long,
    running: true,
  });
  await at.turns.cancel(sessionId, long);
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === long)).toMatchObject({
    status: 'cancelled',
  });
  expect(await at.event(sessionId, 'stream_end', (event) => event.turn_id === long)).toMatchObject({
    content: 'so far',
    finish_reason: 'cancelled',
  });
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === next)).toMatchObject({
    status: 'completed',
  });
  const last = at.model.requests.at(-1);
  expect(last?.messages.map((message) => message.content)).toEqual([
    'Be brief.',
    'long',
    `so far\n\n${CUT_NOTE}`,
    'dropped',
    'next',
  ]);
  await worker.close();
});

test('a cancel whose signal and nudge were lost comes about within seconds', async () => {
  const worker = await at.startWorker();
  at.model.script(() => [{ toolCall: { name: 'test__effect', arguments: { text: 'never' } } }]);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  await at.event(sessionId, 'tool_approval_request');
  const askedAt = Date.now();
  await requestCancel(at.db, { sessionId, userId: 'alice' });
  const end = await at.event(sessionId, 'turn_end');
  expect(end.status).toBe('cancelled');
  expect(end.ts - askedAt).toBeLessThan(10_000);
  await worker.close();
});

test('a terminated run fails its turn within seconds, and what waits behind it runs', async () => {
  const worker = await at.startWorker();
  at.model.script((request) =>
    userWords(request) === 'stuck' ? ['half a', { hang: true }] : [`re: ${userWords(request)}`],
  );
  const sessionId = await at.session();
  const stuck = await at.say(sessionId, 'stuck');
  await at.event(sessionId, 'stream_start');
  const behind = [await at.say(sessionId, 'one'), await at.say(sessionId, 'two')];
  const terminatedAt = Date.now();
  await at.client.workflow.getHandle(sessionWorkflowId(sessionId)).terminate('operator');
  const end = await at.event(sessionId, 'turn_end', (event) => event.turn_id === stuck);
  expect(end).toMatchObject({ status: 'failed', error: { code: 'processing_error' } });
  expect(end.ts - terminatedAt).toBeLessThan(5_000);
  const reset = await at.event(sessionId, 'stream_reset', (event) => event.turn_id === stuck);
  expect(reset.attempt).toBeUndefined();
  for (const turnId of behind) {
    expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === turnId)).toMatchObject({
      status: 'completed',
    });
  }
  await worker.close();
});

test('a hundred open turns are the bound of a session', async () => {
  const sessionId = await at.session();
  const send = (n: number) =>
    acceptMessage(at.db, { sessionId, userId: 'alice', clientMessageId: `m${n}`, content: `${n}` });
  for (let n = 0; n < 100; n += 1) await send(n);
  await expect(send(100)).rejects.toMatchObject({ code: 'busy' });
  expect(await send(99)).toMatchObject({ disposition: 'queued' });
});
