import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { OnBusy } from '../../src/protocol/on-busy.ts';
import { type BusyHarness, type BusySession, openBusyHarness } from '../helpers/busy-harness.ts';

/* A message to a session whose turns only wait: no worker runs while it comes. */
let harness: BusyHarness;
beforeAll(async () => {
  harness = await openBusyHarness();
});
afterAll(() => harness.close());

interface Waiting {
  session: BusySession;
  turnIds: (string | undefined)[];
}

/** Two turns wait; the third message comes as it is told to. */
async function twoWait(onBusy: OnBusy, disposition: string): Promise<Waiting> {
  const session = await harness.open();
  const acks = [await session.say('first'), await session.say('second'), await session.say('third', onBusy)];
  expect(acks.map((ack) => (ack.type === 'ack' ? ack.disposition : ack.code))).toEqual([
    'started',
    'queued',
    disposition,
  ]);
  return { session, turnIds: acks.map((ack) => (ack.type === 'ack' ? ack.turn_id : undefined)) };
}

/** A worker comes; answers how the turns ended, in their order, and what the model was sent last. */
async function run({ session, turnIds }: Waiting): Promise<{ ends: unknown[]; heard: string[] | undefined }> {
  const { model } = harness.at;
  model.script(() => ['ok']);
  const worker = await harness.at.startWorker();
  await session.end(turnIds.findLast((turnId) => turnId !== undefined));
  await worker.close();
  expect(session.client.breaches).toEqual([]);
  expect(model.refused).toEqual([]);
  const ends = session.client.of('turn_end').map((end) => [turnIds.indexOf(end.turn_id), end.status]);
  const heard = model.requests.at(-1)?.messages.filter((message) => message.role !== 'system');
  return { ends, heard: heard?.map(({ role, content }) => `${role}: ${content}`) };
}

test('it waits behind them [busy-enqueue-queued]', async () => {
  const waiting = await twoWait('enqueue', 'queued');
  expect(await run(waiting)).toEqual({
    ends: [
      [0, 'completed'],
      [1, 'completed'],
      [2, 'completed'],
    ],
    heard: ['user: first', 'assistant: ok', 'user: second', 'assistant: ok', 'user: third'],
  });
});

test('it is refused, and nothing is written [busy-reject-queued]', async () => {
  const waiting = await twoWait('reject', 'busy');
  expect(await waiting.session.messages()).toEqual(['user: first', 'user: second']);
  expect((await run(waiting)).ends).toEqual([
    [0, 'completed'],
    [1, 'completed'],
  ]);
});

test('the first of them ends without having run, and its message stays [busy-interrupt-queued]', async () => {
  const waiting = await twoWait('interrupt', 'interrupted');
  expect(await waiting.session.end(waiting.turnIds[0])).toMatchObject({ status: 'cancelled' });
  expect(await run(waiting)).toEqual({
    ends: [
      [0, 'cancelled'],
      [1, 'completed'],
      [2, 'completed'],
    ],
    heard: ['user: first', 'user: second', 'assistant: ok', 'user: third'],
  });
  expect(waiting.session.client.of('turn_started')).toHaveLength(2);
});

test('the first of them ends without having run, and its message is removed [busy-rollback-queued]', async () => {
  const waiting = await twoWait('rollback', 'interrupted');
  const { session, turnIds } = waiting;
  await session.end(turnIds[0]);
  const [saved] = session.client.of('message_saved');
  expect(session.client.of('messages_removed')).toMatchObject([
    { turn_id: turnIds[0], message_ids: [saved?.message_id] },
  ]);
  expect(await session.messages()).toEqual(['user: second', 'user: third']);
  expect(await run(waiting)).toEqual({
    ends: [
      [0, 'cancelled'],
      [1, 'completed'],
      [2, 'completed'],
    ],
    heard: ['user: second', 'assistant: ok', 'user: third'],
  });
});

test('nothing runs that could hear it, so it waits [busy-steer-queued]', async () => {
  const waiting = await twoWait('steer', 'queued');
  const { ends, heard } = await run(waiting);
  expect(ends).toHaveLength(3);
  expect(heard?.at(-1)).toBe('user: third');
});

test('the same message five times at once interrupts once, with five equal answers [busy-resend]', async () => {
  const session = await harness.open();
  const first = await session.say('first');
  const path = `/v1/sessions/${session.id}/messages`;
  const body = { content: 'second', on_busy: 'interrupt', id: 'm2' };
  const answers = await Promise.all(Array.from({ length: 5 }, () => session.call('POST', path, body)));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]).toMatchObject({ status: 202, body: { disposition: 'interrupted' } });
  expect(await session.call('POST', path, { ...body, content: 'other' })).toMatchObject({ status: 409 });
  const { ends } = await run({
    session,
    turnIds: [first.type === 'ack' ? first.turn_id : undefined, String(answers[0]?.body.turn_id)],
  });
  expect(ends).toEqual([
    [0, 'cancelled'],
    [1, 'completed'],
  ]);
});
