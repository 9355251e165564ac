import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type BusyHarness, type BusySession, type Held, openBusyHarness } from '../helpers/busy-harness.ts';
import { until } from '../helpers/until.ts';

/* A message that stops the turn under way and drops its text. */
let harness: BusyHarness;
beforeAll(async () => {
  harness = await openBusyHarness();
  await harness.at.startWorker();
});
afterAll(() => harness.close());

const effectsOf = (held: Held, tool: string) =>
  harness.at.effects().filter((done) => done.tool_call_id === held.callId && done.tool === tool);

/** Rolls back; answers the types of the first turn's events. */
async function rollsBack(session: BusySession, held: Held): Promise<string[]> {
  const before = await session.call('GET', `/v1/sessions/${session.id}/messages`);
  const ids = (before.body.messages as { id: string }[]).map((message) => message.id);
  const ack = await session.say('second', 'rollback', 'm2');
  expect(ack).toMatchObject({ type: 'ack', disposition: 'interrupted' });
  if (ack.type !== 'ack') throw new Error('The message was refused.');
  expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
  expect(await session.end(ack.turn_id)).toMatchObject({ status: 'completed' });
  const removed = await session.client.frame('messages_removed');
  expect(removed.turn_id).toBe(held.turnId);
  expect(removed.message_ids).toEqual(expect.arrayContaining(ids));
  // Neither people nor the model see anything of it.
  expect(session.heard().at(-1)).toEqual(['user: second']);
  expect(await session.messages()).toEqual(['user: second', 'assistant: answer 2']);
  // What was taken back is still known: sent again, it is no new message.
  const { client_message_id: id } = await session.client.frame('message_saved');
  expect(await session.say('first', 'reject', id)).toMatchObject({
    disposition: 'started',
    turn_id: held.turnId,
  });
  expect(await session.say('second', 'enqueue', 'm2')).toEqual(ack);
  expect(await session.messages()).toEqual(['user: second', 'assistant: answer 2']);
  expect(session.client.breaches).toEqual([]);
  const events = await harness.at.events(session.id);
  return events.flatMap((event) => (event.turn_id === held.turnId ? [event.type] : []));
}

test('the model is stopped, and what it said is void [busy-rollback-streaming] [event-messages_removed]', async () => {
  const session = await harness.open();
  const held = await session.streaming();
  expect(await rollsBack(session, held)).toEqual([
    'message_saved',
    'turn_started',
    'stream_start',
    'stream_reset',
    'messages_removed',
    'turn_end',
  ]);
  expect(session.requests[0]?.gone.aborted).toBe(true);
  expect((await session.client.frame('stream_reset')).attempt).toBeUndefined();
  held.release();
});

test('a tool is stopped, whether it may be repeated or not; the ledger keeps it [busy-rollback-tool]', async () => {
  for (const [way, tool, status] of [
    ['holding', 'hold', 'cancelled'],
    ['holdingOnce', 'hold_effect', 'unknown'],
  ] as const) {
    const session = await harness.open();
    const held = await session[way]();
    const types = await rollsBack(session, held);
    expect(types.slice(-3)).toEqual(['tool_result', 'messages_removed', 'turn_end']);
    expect(await session.client.frame('tool_result')).toMatchObject({ status });
    await until(() => effectsOf(held, 'cancelled').length === 1);
    expect(effectsOf(held, tool)).toHaveLength(1);
    const { rows } = await harness.at.db.query('select status from tool_calls where id = $1', [held.callId]);
    expect(rows).toEqual([{ status }]);
  }
});

test('a gate is withdrawn; the ledger keeps the decision [busy-rollback-approval]', async () => {
  const session = await harness.open();
  const held = await session.waiting();
  const types = await rollsBack(session, held);
  expect(types.slice(-4)).toEqual(['tool_approval_resolved', 'tool_result', 'messages_removed', 'turn_end']);
  const { rows } = await harness.at.db.query('select decision from decisions where tool_call_id = $1', [
    held.callId,
  ]);
  expect(rows).toEqual([{ decision: 'withdrawn' }]);
  expect(effectsOf(held, 'hold_effect')).toEqual([]);
});
