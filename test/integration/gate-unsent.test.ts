import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { onlySteps } from '../../src/protocol/turn-limits.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { giveBackUnsent } from '../../src/store/unsent-call.ts';
import { approvedCall, beginWaiting, lapse } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import type { WaitingCall } from '../helpers/waiting-call.ts';

/* Attempts that were begun and could not be sent, on the real store. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-unsent');
});
afterAll(() => store.close());

const begin = (call: WaitingCall, more: Parameters<typeof beginWaiting>[2] = {}) =>
  beginWaiting(store.db, call, more);
const giveBack = ({ sessionId, toolCallId }: WaitingCall, attempt: number) =>
  giveBackUnsent(store.db, { sessionId, toolCallId, attempt });

async function rowOf({ toolCallId }: WaitingCall) {
  const { rows } = await store.db.query(
    `select status, attempt, (select count(*)::int from usage where turn_id = c.turn_id and kind = 'call') as uses
     from tool_calls c where id = $1`,
    [toolCallId],
  );
  return rows[0];
}

test('it did nothing: it is not counted, and the next attempt begins without a question', async () => {
  const call = await approvedCall(store.db);
  await begin(call);
  // Said twice, because nobody knew whether the first was committed.
  expect([await giveBack(call, 1), await giveBack(call, 1)]).toEqual([true, true]);
  expect(await rowOf(call)).toEqual({ status: 'ready', attempt: 1, uses: 0 });
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 2, wasLost: false });
  // Of an attempt that counts no more nothing is given back.
  expect(await giveBack(call, 1)).toBe(false);
  expect(await rowOf(call)).toEqual({ status: 'running', attempt: 2, uses: 1 });
});

test('it does not use up a limit, nor pass one', async () => {
  const call = await approvedCall(store.db);
  const limits = { ...onlySteps(25), turn: { steps: 25, tool_calls: 1 } };
  await begin(call, { limits });
  await giveBack(call, 1);
  const none = { ...limits, turn: { steps: 25, tool_calls: 0 } };
  expect(await begin(call, { limits: none })).toMatchObject({
    kind: 'question',
    question: { kind: 'limit' },
  });
});

test('its turn may end with it, as if it had not begun', async () => {
  const call = await approvedCall(store.db);
  await begin(call);
  await giveBack(call, 1);
  await requestCancel(store.db, { sessionId: call.sessionId, userId: 'alice' });
  expect(await begin(call)).toMatchObject({ kind: 'closed', status: 'cancelled' });
});

test('after an attempt that was lost it says nothing of that one', async () => {
  const lost = async () => {
    const call = await approvedCall(store.db);
    await store.db.query('update tool_calls set repeatable = true where id = $1', [call.toolCallId]);
    await begin(call);
    await lapse(store.db, call);
    expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 2, wasLost: true });
    expect(await giveBack(call, 2)).toBe(true);
    return call;
  };
  const again = await lost();
  expect(await rowOf(again)).toMatchObject({ status: 'running', uses: 1 });
  expect(await begin(again)).toMatchObject({ kind: 'begin', attempt: 3, wasLost: true });
  const no = { repeatable: false, readOnly: false };
  const question = { kind: 'question', question: { kind: 'unknown_outcome' } };
  expect(await begin(await lost(), { repeatability: no })).toMatchObject(question);
  const cancelled = await lost();
  await requestCancel(store.db, { sessionId: cancelled.sessionId, userId: 'alice' });
  expect(await begin(cancelled)).toMatchObject({ kind: 'closed', status: 'unknown' });
});
