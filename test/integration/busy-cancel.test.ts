import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { type BusyHarness, type BusySession, type Held, openBusyHarness } from '../helpers/busy-harness.ts';
import { until } from '../helpers/until.ts';

/* How soon, and how surely, a stop reaches what runs. */
const liveMs = 1_000;
const temporalMs = 3_000;

let harness: BusyHarness;
beforeAll(async () => {
  harness = await openBusyHarness();
  await harness.at.startWorker();
});
afterAll(() => harness.close());

/** Milliseconds until the model server saw its client go. */
async function modelStopped(session: BusySession, since: number): Promise<number> {
  const gone = session.requests[0]?.gone;
  if (!gone) throw new Error('The model was not asked.');
  await until(() => gone.aborted);
  return Date.now() - since;
}

/** Milliseconds until the MCP server heard that the call is cancelled. */
async function toolStopped(held: Held, since: number): Promise<number> {
  const heard = () =>
    harness.at.effects().find((line) => line.tool === 'cancelled' && line.tool_call_id === held.callId);
  await until(heard);
  return (heard()?.at ?? Number.POSITIVE_INFINITY) - since;
}

describe('by the live plane', () => {
  test('a cancel reaches the model within a second; what was said stays, marked as cut', async () => {
    const session = await harness.open();
    const held = await session.streaming();
    const since = Date.now();
    session.client.send({ type: 'cancel', id: 'c1' });
    expect(await modelStopped(session, since)).toBeLessThan(liveMs);
    expect(await session.client.frame('ack', (ack) => ack.id === 'c1')).toMatchObject({
      turn_id: held.turnId,
    });
    expect(await session.client.frame('stream_end')).toMatchObject({
      content: 'so far ',
      finish_reason: 'cancelled',
    });
    expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
    held.release();
  });

  test('… over HTTP too, and while the model has not said a word', async () => {
    const session = await harness.open();
    const held = await session.silent();
    const since = Date.now();
    const posted = await session.call('POST', `/v1/sessions/${session.id}/cancel`, {});
    expect(posted).toMatchObject({ status: 202, body: { turn_id: held.turnId } });
    expect(await modelStopped(session, since)).toBeLessThan(liveMs);
    expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
    expect((await session.client.frame('stream_reset')).attempt).toBeUndefined();
    expect(await session.messages()).toEqual(['user: first']);
  });

  test.each([
    ['holding', 'cancelled'],
    ['holdingOnce', 'unknown'],
  ] as const)('it reaches a tool within a second: %s, %s', async (way, status) => {
    const session = await harness.open();
    const held = await session[way]();
    const since = Date.now();
    session.client.send({ type: 'cancel' });
    expect(await toolStopped(held, since)).toBeLessThan(liveMs);
    expect(await session.client.frame('tool_result')).toMatchObject({ status });
    expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
  });
});

describe('where the nudge of the live plane is lost, by Temporal', () => {
  /** What a gateway does, without the nudge. */
  async function cancelWithoutNudge(session: BusySession): Promise<number> {
    const since = Date.now();
    const { turnId } = await requestCancel(harness.at.db, { sessionId: session.id, userId: 'alice' });
    await harness.at.turns.cancel(session.id, turnId);
    return since;
  }

  test('a cancel reaches the model within three seconds', async () => {
    const session = await harness.open();
    const held = await session.streaming();
    expect(await modelStopped(session, await cancelWithoutNudge(session))).toBeLessThan(temporalMs);
    expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
    expect(await session.client.frame('stream_end')).toMatchObject({ content: 'so far ' });
    held.release();
  });

  test('… and a tool', async () => {
    const session = await harness.open();
    const held = await session.holdingOnce();
    expect(await toolStopped(held, await cancelWithoutNudge(session))).toBeLessThan(temporalMs);
    expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
  });
});

describe('where the gateway died after its commit', () => {
  test.each([['interrupt'], ['rollback']] as const)(
    'what the %s asked for comes about all the same [busy-durable]',
    async (onBusy) => {
      for (const way of ['streaming', 'holdingOnce', 'waiting'] as const) {
        const session = await harness.open();
        const held = await session[way]();
        const message = { sessionId: session.id, userId: 'alice', clientMessageId: 'm2', content: 'second' };
        // No nudge, no signal, no wake.
        const accepted = await acceptMessage(harness.at.db, { ...message, onBusy });
        expect(accepted).toMatchObject({ disposition: 'interrupted', stoppingTurnId: held.turnId });
        expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
        expect(await session.end(accepted.turnId)).toMatchObject({ status: 'completed' });
        expect((await session.messages()).includes('user: first')).toBe(onBusy === 'interrupt');
        // Its client sends it again to the next gateway, and gets the answer that it never got.
        expect(await session.say('second', 'enqueue', 'm2')).toMatchObject({
          disposition: 'interrupted',
          turn_id: accepted.turnId,
        });
        expect(session.client.breaches).toEqual([]);
        held.release();
      }
    },
  );
});

test('a rollback comes about where the run was terminated before it heard of it', async () => {
  const session = await harness.open();
  const held = await session.streaming();
  const message = { sessionId: session.id, userId: 'alice', clientMessageId: 'm2', content: 'second' };
  const [accepted] = await Promise.all([
    acceptMessage(harness.at.db, { ...message, onBusy: 'rollback' }),
    harness.at.client.workflow.getHandle(sessionWorkflowId(session.id)).terminate('operator'),
  ]);
  expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
  expect(await session.end(accepted.turnId)).toMatchObject({ status: 'completed' });
  expect(await session.messages()).toEqual(['user: second', 'assistant: answer 2']);
  held.release();
});
