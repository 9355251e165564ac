import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { limits } from '../../src/protocol/limits.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { type BusyHarness, type BusySession, type Held, openBusyHarness } from '../helpers/busy-harness.ts';

/* A message that joins the turn under way. */
const maxSteps = 3;
let harness: BusyHarness;
beforeAll(async () => {
  harness = await openBusyHarness();
  await harness.at.startWorker({ MAX_STEPS: String(maxSteps) });
});
afterAll(() => harness.close());

const effectsOf = (held: Held) => harness.at.effects().filter((done) => done.tool_call_id === held.callId);

async function steers(session: BusySession, held: Held, content: string, id?: string) {
  const ack = await session.say(content, 'steer', id);
  expect(ack).toMatchObject({ type: 'ack', disposition: 'steered', turn_id: held.turnId });
  const saved = await session.client.frame('message_saved', (event) => event.content === content);
  expect(saved.turn_id).toBe(held.turnId);
  return ack;
}

/** The turn goes on to its one end; answers what the model was sent with each step. */
async function endsOnce(session: BusySession, held: Held): Promise<string[][]> {
  held.release();
  expect(await session.end(held.turnId)).toMatchObject({ status: 'completed' });
  expect(session.client.of('turn_end')).toHaveLength(1);
  expect(session.client.of('turn_started')).toHaveLength(1);
  expect(session.client.breaches).toEqual([]);
  expect(harness.at.model.refused).toEqual([]);
  return session.heard();
}

test('a turn that hears two messages while the model streams answers them in another step [busy-steer-streaming]', async () => {
  const session = await harness.open();
  const held = await session.streaming();
  const ack = await steers(session, held, 'second', 'm2');
  await steers(session, held, 'third');
  expect(await endsOnce(session, held)).toEqual([
    ['user: first'],
    ['user: first', 'assistant: so far and more', 'user: second', 'user: third'],
  ]);
  expect(await session.messages()).toEqual([
    'user: first',
    'assistant: so far and more',
    'user: second',
    'user: third',
    'assistant: answer 2',
  ]);
  // Sent again when all is over: the same answer.
  expect(await session.say('second', 'reject', 'm2')).toEqual(ack);
});

test.each([['hold'], ['hold_effect']] as const)(
  'a message that comes while the tool %s runs stands behind its result [busy-steer-tool]',
  async (tool) => {
    const session = await harness.open();
    const held = await (tool === 'hold' ? session.holding() : session.holdingOnce());
    await steers(session, held, 'second');
    expect(await endsOnce(session, held)).toEqual([
      ['user: first'],
      ['user: first', `assistant: calls test__${tool}`, 'tool: held until now', 'user: second'],
    ]);
    expect(effectsOf(held)).toHaveLength(1);
  },
);

test('a message that comes while an approval is pending waits for the decision [busy-steer-approval]', async () => {
  const session = await harness.open();
  const held = await session.waiting();
  await steers(session, held, 'second');
  expect(session.requests).toHaveLength(1);
  expect(session.client.of('tool_approval_resolved')).toEqual([]);
  expect(await endsOnce(session, held)).toEqual([
    ['user: first'],
    ['user: first', 'assistant: calls test__hold_effect', 'tool: held until now', 'user: second'],
  ]);
  expect(effectsOf(held)).toHaveLength(1);
});

test('where several calls were asked for, every result comes before the message', async () => {
  const session = await harness.open();
  const held = await session.streaming([
    { toolCall: { name: 'test__echo', arguments: { text: 'one' } } },
    { toolCall: { name: 'test__echo', arguments: { text: 'two' } } },
  ]);
  await steers(session, held, 'second');
  expect((await endsOnce(session, held))[1]).toEqual([
    'user: first',
    'assistant: so far and more calls test__echo calls test__echo',
    'tool: one',
    'tool: two',
    'user: second',
  ]);
});

test('a step that is tried again hears what came while it failed', async () => {
  const session = await harness.open();
  const held = await session.streaming([{ drop: true }]);
  await steers(session, held, 'second');
  held.release();
  await session.end(held.turnId);
  expect(session.heard()).toEqual([['user: first'], ['user: first', 'user: second']]);
  expect(await session.messages()).toEqual(['user: first', 'user: second', 'assistant: answer 2']);
});

test('a turn that is stopped before it heard a message does not answer it; later turns see it [busy-steer-fate]', async () => {
  const session = await harness.open();
  const held = await session.waiting();
  await steers(session, held, 'second');
  const ack = await session.say('third', 'interrupt');
  expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
  await session.end(ack.type === 'ack' ? ack.turn_id : undefined);
  expect(session.heard().at(-1)).toEqual([
    'user: first',
    'assistant: calls test__hold_effect',
    expect.stringMatching(/^tool: The turn was cancelled/),
    'user: second',
    'user: third',
  ]);
});

test('over HTTP it is the same, and a rollback takes it back with its turn', async () => {
  const session = await harness.open();
  const held = await session.streaming();
  const path = `/v1/sessions/${session.id}/messages`;
  const posted = await session.call('POST', path, { content: 'second', on_busy: 'steer', id: 'm2' });
  expect(posted).toMatchObject({ status: 202, body: { disposition: 'steered', turn_id: held.turnId } });
  const ack = await session.say('third', 'rollback');
  await session.end(ack.type === 'ack' ? ack.turn_id : undefined);
  const removed = await session.client.frame('messages_removed');
  expect(removed.message_ids).toContain(posted.body.message_id);
  expect(session.heard().at(-1)).toEqual(['user: third']);
  held.release();
});

test('a turn that is being stopped, is in its last step or full hears nothing more: the message waits [busy-steer-else]', async () => {
  const stopped = await harness.open();
  const stopping = await stopped.streaming();
  // Asked to stop, and nobody has heard of it yet.
  await harness.at.db.query(
    `update turns set cancel_requested_at = now(), cancel_check_at = now() + interval '1 hour' where id = $1`,
    [stopping.turnId],
  );
  expect(await stopped.say('second', 'steer')).toMatchObject({ disposition: 'queued' });
  stopping.release();
  await stopped.client.frame('turn_end', (end) => end.turn_id !== stopping.turnId);

  const full = await harness.open();
  const held = await full.streaming();
  for (let n = 1; n <= limits.steeredPerTurn; n += 1) {
    const message = {
      sessionId: full.id,
      userId: 'alice',
      clientMessageId: `s${n}`,
      content: `steered ${n}`,
    };
    expect(await acceptMessage(harness.at.db, { ...message, onBusy: 'steer' })).toMatchObject({
      disposition: 'steered',
    });
  }
  expect(await full.say('one more', 'steer')).toMatchObject({ disposition: 'queued' });
  held.release();
  await full.client.frame('turn_end', (end) => end.turn_id !== held.turnId);
  expect(full.heard()[1]).toHaveLength(2 + limits.steeredPerTurn);

  // Steps one and two call a tool each; in the third, the last, nothing can be added.
  const long = await harness.open();
  const last = await long.lastStep(maxSteps);
  expect(await long.say('too late', 'steer')).toMatchObject({ disposition: 'queued' });
  last.release();
  expect(await long.end(last.turnId)).toMatchObject({ status: 'completed' });
  await long.client.frame('turn_end', (end) => end.turn_id !== last.turnId);
  expect(long.heard().at(-1)?.at(-1)).toBe('user: too late');
});
