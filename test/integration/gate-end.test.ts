import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CallEnd, type CallOutcome, finishCall } from '../../src/store/call-end.ts';
import { askForTool } from '../../src/store/elicitations.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { approvedCall, beginWaiting, lapse } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import type { WaitingCall } from '../helpers/waiting-call.ts';

/* What an attempt may write of its end, and when: on the real store. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-end');
});
afterAll(() => store.close());

async function running(): Promise<WaitingCall> {
  const call = await approvedCall(store.db);
  await store.db.query('update tool_calls set repeatable = true where id = $1', [call.toolCallId]);
  await beginWaiting(store.db, call);
  return call;
}

async function nextAttempt(call: WaitingCall): Promise<void> {
  await lapse(store.db, call);
  expect(await beginWaiting(store.db, call)).toMatchObject({ kind: 'begin', attempt: 2 });
}

const answered = { status: 'completed', result: 1, text: '1', error: null, how: 'answered' } as const;
const lost = { ...answered, status: 'unknown', result: null, how: 'lost' } as const;

function finish(call: WaitingCall, attempt: number, what: Partial<CallOutcome> = {}): Promise<CallEnd> {
  const { sessionId, toolCallId } = call;
  const outcome = { sessionId, toolCallId, attempt, ...answered, ...what };
  return finishCall(store.db, outcome, { questionTimeoutMs: 60_000 });
}

const typesOf = (end: CallEnd) => end.events.map(({ frame: { type } }) => type);

test('an attempt writes nothing over the one after it, while that runs and when it has ended', async () => {
  const call = await running();
  await nextAttempt(call);
  const late = await finish(call, 1, { result: 'late' });
  expect([late.kind, typesOf(late)]).toEqual(['superseded', ['tool_late_result']]);
  // Once, however often it is tried.
  expect(await finish(call, 1, { result: 'late' })).toEqual({ kind: 'superseded', events: [] });
  const end = await finish(call, 2);
  expect([end.kind, typesOf(end)]).toEqual(['closed', ['tool_result']]);
  expect(await finish(call, 1, { status: 'failed' })).toEqual({
    kind: 'closed',
    status: 'completed',
    events: [],
  });
  const { rows } = await store.db.query('select status, result from tool_calls where id = $1', [
    call.toolCallId,
  ]);
  expect(rows).toEqual([{ status: 'completed', result: 1 }]);
});

test('only what a server has answered is kept as late', async () => {
  const call = await running();
  await nextAttempt(call);
  for (const how of ['lost', 'stopped'] as const) {
    expect(await finish(call, 1, { ...lost, how })).toEqual({ kind: 'superseded', events: [] });
  }
});

test('of a turn that is to be cancelled nobody is asked what became of a call', async () => {
  const call = await running();
  await requestCancel(store.db, { sessionId: call.sessionId, userId: 'alice' });
  const end = await finish(call, 1, lost);
  expect(end).toMatchObject({ kind: 'closed', status: 'unknown' });
  expect(await finish(await running(), 1, lost)).toMatchObject({
    kind: 'question',
    question: { kind: 'unknown_outcome' },
  });
});

test('a call that has its result asks nothing any more', async () => {
  const call = await running();
  const { sessionId, toolCallId, step } = call;
  const question = { turnId: step.turnId, key: 'k', message: 'Which?', schema: { type: 'object' } };
  await askForTool(store.db, { sessionId, toolCallId, attempt: 1 }, question, { isHeld: false });
  expect(typesOf(await finish(call, 1))).toEqual(['input_resolved', 'tool_result']);
});
