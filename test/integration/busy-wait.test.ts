import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type BusyHarness, type BusySession, type Held, openBusyHarness } from '../helpers/busy-harness.ts';

/* A message that waits, or is refused, while a turn has not ended. */
let harness: BusyHarness;
beforeAll(async () => {
  harness = await openBusyHarness();
  await harness.at.startWorker();
});
afterAll(() => harness.close());

const effectsOf = (held: Held) => harness.at.effects().filter((done) => done.tool_call_id === held.callId);

/** The second turn comes after the first, which is whole; answers what the model was sent for it. */
async function waitsItsTurn(session: BusySession, held: Held): Promise<string[]> {
  const ack = await session.say('second', 'enqueue');
  expect(ack).toMatchObject({ type: 'ack', disposition: 'queued' });
  if (ack.type !== 'ack') throw new Error('The message was refused.');
  expect(ack.turn_id).not.toBe(held.turnId);
  held.release();
  expect(await session.end(ack.turn_id)).toMatchObject({ status: 'completed' });
  const ends = session.client.of('turn_end').map((end) => [end.turn_id, end.status]);
  expect(ends).toEqual([
    [held.turnId, 'completed'],
    [ack.turn_id, 'completed'],
  ]);
  expect(session.client.breaches).toEqual([]);
  expect(harness.at.model.refused).toEqual([]);
  return session.heard().at(-1) ?? [];
}

const afterATool = (tool: string) => [
  'user: first',
  `assistant: calls test__${tool}`,
  'tool: held until now',
  'assistant: answer 2',
  'user: second',
];

test('a message waits for a model that streams [busy-enqueue-streaming]', async () => {
  const session = await harness.open();
  const heard = await waitsItsTurn(session, await session.streaming());
  expect(heard).toEqual(['user: first', 'assistant: so far and more', 'user: second']);
});

test.each([['hold'], ['hold_effect']] as const)(
  'a message waits for the tool %s [busy-enqueue-tool]',
  async (tool) => {
    const session = await harness.open();
    const held = await (tool === 'hold' ? session.holding() : session.holdingOnce());
    expect(await waitsItsTurn(session, held)).toEqual(afterATool(tool));
    expect(effectsOf(held)).toHaveLength(1);
  },
);

test('a message waits for an approval [busy-enqueue-approval]', async () => {
  const session = await harness.open();
  const held = await session.waiting();
  expect(await waitsItsTurn(session, held)).toEqual(afterATool('hold_effect'));
  expect(effectsOf(held)).toHaveLength(1);
});

/** Refused over both transports, nothing is written, and the turn that runs does not notice. */
async function isRefused(session: BusySession, held: Held): Promise<void> {
  const before = await session.messages();
  const { lastSeq } = session.client;
  expect(await session.say('second', 'reject', 'm2')).toMatchObject({ type: 'error', code: 'busy' });
  const posted = await session.call('POST', `/v1/sessions/${session.id}/messages`, {
    content: 'second',
    on_busy: 'reject',
    id: 'm2',
  });
  expect(posted).toMatchObject({ status: 409, body: { code: 'busy' } });
  expect(await session.messages()).toEqual(before);
  expect(await session.call('GET', `/v1/sessions/${session.id}`)).toMatchObject({
    body: { last_seq: lastSeq },
  });
  held.release();
  expect(await session.end(held.turnId)).toMatchObject({ status: 'completed' });
  // The same message is a new one afterwards: nothing of it was kept.
  const ack = await session.say('second', 'reject', 'm2');
  expect(ack).toMatchObject({ type: 'ack', disposition: 'started' });
  if (ack.type === 'ack') await session.end(ack.turn_id);
  expect((await session.messages()).filter((line) => line === 'user: second')).toHaveLength(1);
  expect(session.client.breaches).toEqual([]);
}

test('a message that is not to wait is refused while the model streams [busy-reject-streaming] [error-busy]', async () => {
  const session = await harness.open();
  await isRefused(session, await session.streaming());
});

test('… while a tool runs that may be repeated, and one that may not [busy-reject-tool]', async () => {
  for (const way of ['holding', 'holdingOnce'] as const) {
    const session = await harness.open();
    const held = await session[way]();
    await isRefused(session, held);
    expect(effectsOf(held)).toHaveLength(1);
  }
});

test('… while an approval is pending [busy-reject-approval]', async () => {
  const session = await harness.open();
  const held = await session.waiting();
  await isRefused(session, held);
  expect(effectsOf(held)).toHaveLength(1);
});

test('a message without on_busy does what its session says; its own word wins [busy-default]', async () => {
  const session = await harness.open({ on_busy: 'reject' });
  const held = await session.streaming();
  expect(await session.say('second')).toMatchObject({ type: 'error', code: 'busy' });
  const third = await session.say('third', 'enqueue');
  expect(third).toMatchObject({ type: 'ack', disposition: 'queued' });
  held.release();
  await session.end(third.type === 'ack' ? third.turn_id : '');
  const steering = await harness.open();
  const changed = await steering.call('PATCH', `/v1/sessions/${steering.id}`, {
    config: { on_busy: 'steer' },
  });
  expect(changed.status).toBe(200);
  const other = await steering.streaming();
  expect(await steering.say('second')).toMatchObject({ disposition: 'steered', turn_id: other.turnId });
  other.release();
  await steering.end(other.turnId);
});
