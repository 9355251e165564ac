import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CUT_NOTE } from '../../src/activities/model-messages.ts';
import { type BusyHarness, type BusySession, type Held, openBusyHarness } from '../helpers/busy-harness.ts';
import { until } from '../helpers/until.ts';

/* A message that stops the turn under way and keeps its text. */
let harness: BusyHarness;
beforeAll(async () => {
  harness = await openBusyHarness();
  await harness.at.startWorker();
});
afterAll(() => harness.close());

const effectsOf = (held: Held, tool: string) =>
  harness.at.effects().filter((done) => done.tool_call_id === held.callId && done.tool === tool);

/** Interrupts; answers the types of the first turn's events, and what the model was sent for the second. */
async function interrupts(session: BusySession, held: Held): Promise<{ types: string[]; heard: string[] }> {
  const ack = await session.say('second', 'interrupt', 'm2');
  expect(ack).toMatchObject({ type: 'ack', disposition: 'interrupted' });
  if (ack.type !== 'ack') throw new Error('The message was refused.');
  expect(ack.turn_id).not.toBe(held.turnId);
  expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
  expect(await session.end(ack.turn_id)).toMatchObject({ status: 'completed' });
  // Sent again, after all of it: the same answer, and nothing happens.
  expect(await session.say('second', 'enqueue', 'm2')).toEqual(ack);
  expect(session.client.breaches).toEqual([]);
  expect(harness.at.model.refused).toEqual([]);
  const events = await harness.at.events(session.id);
  expect(events.filter((event) => event.type === 'turn_started')).toHaveLength(2);
  const types = events.flatMap((event) => (event.turn_id === held.turnId ? [event.type] : []));
  return { types, heard: session.heard().at(-1) ?? [] };
}

test('the model is stopped, and its text stays, marked as cut [busy-interrupt-streaming]', async () => {
  const session = await harness.open();
  const held = await session.streaming();
  const { types, heard } = await interrupts(session, held);
  expect(session.requests[0]?.gone.aborted).toBe(true);
  expect(types).toEqual(['message_saved', 'turn_started', 'stream_start', 'stream_end', 'turn_end']);
  expect(await session.client.frame('stream_end')).toMatchObject({
    turn_id: held.turnId,
    content: 'so far ',
    finish_reason: 'cancelled',
  });
  expect(heard).toEqual(['user: first', `assistant: so far \n\n${CUT_NOTE}`, 'user: second']);
  const { body } = await session.call('GET', `/v1/sessions/${session.id}/messages`);
  expect(body.messages).toMatchObject([
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'so far ', finish_reason: 'cancelled' },
    { role: 'user', content: 'second' },
    { role: 'assistant', content: 'answer 2', finish_reason: 'stop' },
  ]);
  held.release();
});

test('a tool that may be repeated is stopped: cancelled, and not called again [busy-interrupt-tool]', async () => {
  const session = await harness.open();
  const held = await session.holding();
  const { types, heard } = await interrupts(session, held);
  await until(() => effectsOf(held, 'cancelled').length === 1);
  expect(effectsOf(held, 'hold')).toHaveLength(1);
  expect(types.slice(-2)).toEqual(['tool_result', 'turn_end']);
  expect(await session.client.frame('tool_result')).toMatchObject({ status: 'cancelled' });
  expect(heard).toEqual([
    'user: first',
    'assistant: calls test__hold',
    expect.stringMatching(/^tool: The turn was cancelled/),
    'user: second',
  ]);
});

test('a tool that may not be repeated is stopped: unknown, and not called again [busy-interrupt-tool] [busy-unknown]', async () => {
  const session = await harness.open();
  const held = await session.holdingOnce();
  const { types, heard } = await interrupts(session, held);
  await until(() => effectsOf(held, 'cancelled').length === 1);
  expect(effectsOf(held, 'hold_effect')).toHaveLength(1);
  expect(types.slice(-2)).toEqual(['tool_result', 'turn_end']);
  expect(await session.client.frame('tool_result')).toMatchObject({ status: 'unknown' });
  expect(heard[2]).toMatch(/may or may not have happened|not known whether its effect happened/);
  expect(heard).toHaveLength(4);
});

test('a gate is withdrawn, and what it kept back never runs [busy-interrupt-approval]', async () => {
  const session = await harness.open();
  const held = await session.waiting();
  const { types, heard } = await interrupts(session, held);
  expect(types.slice(-3)).toEqual(['tool_approval_resolved', 'tool_result', 'turn_end']);
  expect(await session.client.frame('tool_approval_resolved')).toMatchObject({ decision: 'withdrawn' });
  expect(await session.client.frame('tool_result')).toMatchObject({ status: 'cancelled' });
  held.release();
  expect(await session.client.frame('ack', (ack) => ack.disposition === 'conflict')).toMatchObject({
    decision: { decision: 'withdrawn' },
  });
  expect(effectsOf(held, 'hold_effect')).toEqual([]);
  expect(heard[2]).toMatch(/^tool: The turn was cancelled/);
  expect(heard.at(-1)).toBe('user: second');
});

test('what waited before an interrupt runs before it [busy-order]', async () => {
  const session = await harness.open();
  const held = await session.streaming();
  const queued = await session.say('second', 'enqueue');
  const ack = await session.say('third', 'interrupt');
  expect([queued, ack]).toMatchObject([{ disposition: 'queued' }, { disposition: 'interrupted' }]);
  if (ack.type !== 'ack' || queued.type !== 'ack') throw new Error('A message was refused.');
  await session.end(ack.turn_id);
  expect(session.client.of('turn_end').map((end) => [end.turn_id, end.status])).toEqual([
    [held.turnId, 'cancelled'],
    [queued.turn_id, 'completed'],
    [ack.turn_id, 'completed'],
  ]);
});

test('of three interrupting messages each stops the one before it [busy-current]', async () => {
  const session = await harness.open();
  const held = await session.holdingOnce();
  // One after the other without waiting: the first turn is still being stopped when the third message comes.
  const acks = await Promise.all([
    session.say('second', 'interrupt'),
    session.say('third', 'interrupt'),
    session.say('fourth', 'rollback'),
  ]);
  const turnIds = acks.map((ack) => (ack.type === 'ack' ? ack.turn_id : undefined));
  expect(acks).toMatchObject(acks.map(() => ({ disposition: 'interrupted' })));
  expect(await session.end(turnIds[2])).toMatchObject({ status: 'completed' });
  const ends = new Map(session.client.of('turn_end').map((end) => [end.turn_id, end.status]));
  expect([held.turnId, ...turnIds].map((turnId) => ends.get(turnId))).toEqual([
    'cancelled',
    'cancelled',
    'cancelled',
    'completed',
  ]);
  // The fourth took the third back; the second was only stopped.
  const shown = (await session.messages()).filter((line) => line.startsWith('user'));
  expect(shown).toEqual(['user: first', 'user: second', 'user: fourth']);
  expect(effectsOf(held, 'hold_effect')).toHaveLength(1);
});
