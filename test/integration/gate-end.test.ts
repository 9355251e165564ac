import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { checkArguments } from '../../src/gate/schema-words.ts';
import type { GateLevel } from '../../src/protocol/gate-terms.ts';
import { readAudit } from '../../src/store/approval-audit.ts';
import { type CallEnd, type CallOutcome, finishCall } from '../../src/store/call-end.ts';
import { decide } from '../../src/store/decisions.ts';
import { askForTool } from '../../src/store/elicitations.ts';
import { expireQuestions } from '../../src/store/question-close.ts';
import { tendGate } from '../../src/store/tend-gate.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { approvedCall, beginWaiting, lapse, storedCall } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { ask } from '../helpers/questions.ts';
import type { WaitingCall } from '../helpers/waiting-call.ts';

/* What is kept of a call: of how it was changed, and of how its attempts ended; on the real store. */
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

test.each([
  [true, 'failed', /^it is full$/],
  [false, 'unknown', /^it is full.*was sent and lost/],
])(
  'a call that fails when it is repeated is not said to have had no effect, unless it is read-only (%s): %s',
  async (readOnly, status, text) => {
    const call = await running();
    await store.db.query('update tool_calls set read_only = $2 where id = $1', [call.toolCallId, readOnly]);
    await nextAttempt(call);
    const end = await finish(call, 2, { status: 'failed', text: 'it is full' });
    expect(end).toMatchObject({ kind: 'closed', status });
    const sql = 'select content from messages where tool_call_id = $1';
    const { rows } = await store.db.query(sql, [call.toolCallId]);
    expect(rows).toEqual([{ content: expect.stringMatching(text) }]);
  },
);

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

test('however often it is changed, what the model asked for is told beside what runs', async () => {
  const dora: Partial<GateLevel> = { approvers: { users: ['dora'], roles: [], requester: false } };
  const levels = [{ needed: 2 }, dora];
  const { sessionId, toolCallId } = await storedCall(store.db, { levels, people: { max: 'member' } });
  const change = (decidedBy: string, to: string, round: number) =>
    decide(store.db, {
      ...{ sessionId, toolCallId, decidedBy, approved: true, via: 'http', round },
      ...{ arguments: { to }, checkArguments },
    });
  expect(await change('max', 'one@example.com', 1)).toMatchObject({ kind: 'voted' });
  await store.db.query('update tool_calls set expires_at = now() where id = $1', [toolCallId]);
  await tendGate(store.db, { sessionId, toolCallId });
  const decided = await change('dora', 'two@example.com', 2);
  const original = { original_arguments: { to: 'bob@example.com' } };
  const runs = { arguments: { to: 'two@example.com' } };
  expect('events' in decided && decided.events[0]?.frame).toMatchObject({ ...runs, ...original });
  const audit = await readAudit(store.db, toolCallId);
  expect(audit.find(({ action }) => action === 'approved')?.body).toMatchObject({ ...runs, ...original });
  const sql = 'select proposed_arguments from tool_calls where id = $1';
  expect((await store.db.query(sql, [toolCallId])).rows).toEqual([
    { proposed_arguments: original.original_arguments },
  ]);
});

test('what one of several changed is told with the last approval, beside what the model asked for [approval-edit_quorum]', async () => {
  const { sessionId, toolCallId } = await storedCall(store.db, {
    ...{ levels: [{ needed: 2 }], people: { max: 'member' } },
  });
  const approve = (decidedBy: string, round: number, args?: Record<string, unknown>) =>
    decide(store.db, {
      ...{ sessionId, toolCallId, decidedBy, approved: true, via: 'http', round, arguments: args },
    });
  const [first, second] = [{ to: 'one@example.com' }, { to: 'two@example.com' }];
  await approve('max', 1, first);
  await approve('alice', 2, second);
  const decided = await approve('max', 3);
  const original = { to: 'bob@example.com' };
  const shown = { decision: 'approved', by: 'max', arguments: second };
  expect(decided).toMatchObject({ kind: 'recorded', decision: shown });
  expect('events' in decided && decided.events[0]?.frame).toMatchObject({
    ...{ type: 'tool_approval_resolved', ...shown, original_arguments: original },
  });
  // Sent again, and said otherwise too late.
  expect(await approve('max', 3)).toMatchObject({ kind: 'recorded', decision: shown });
  const other = { sessionId, toolCallId, decidedBy: 'alice', approved: false, via: 'http', round: 3 };
  expect(await decide(store.db, other)).toMatchObject({ kind: 'conflict', decision: shown });
  const audit = await readAudit(store.db, toolCallId);
  const edits = audit.filter(({ action }) => action === 'edited').map(({ body }) => body);
  expect(edits).toMatchObject([
    { original_arguments: original, arguments: first },
    { original_arguments: original, arguments: second },
  ]);
});

test('only a question whose time is up expires; who has read an answer has acted on it', async () => {
  const asked = async () => {
    const { sessionId, step } = await running();
    const about = { sessionId, turnId: step.turnId };
    return { about, ...(await ask(store.db, about)) };
  };
  const [due, open] = [await asked(), await asked()];
  await store.db.query('update input_requests set expires_at = now() where id = $1', [due.requestId]);
  const expired = await expireQuestions(store.db, 10);
  expect(expired.map(({ requestId }) => requestId)).toEqual([due.requestId]);
  const read = async ({ about, requestId }: typeof due) => {
    const { answer } = await ask(store.db, about);
    const sql = 'select acted_at is not null as acted from input_requests where id = $1';
    return { by: answer?.by, ...(await store.db.query(sql, [requestId])).rows[0] };
  };
  expect(await read(due)).toEqual({ by: 'turngate', acted: true });
  expect(await read(open)).toEqual({ by: undefined, acted: false });
});
