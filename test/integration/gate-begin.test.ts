import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { argumentsHash } from '../../src/gate/hashes.ts';
import { roundsMax } from '../../src/gate/judge.ts';
import type { GateTerms } from '../../src/protocol/gate-terms.ts';
import { onlySteps } from '../../src/protocol/turn-limits.ts';
import { finishCall } from '../../src/store/call-end.ts';
import { lockSession, transaction } from '../../src/store/db.ts';
import { askForTool, letCallGo, takeAnswer } from '../../src/store/elicitations.ts';
import type { Inspection } from '../../src/store/ledger-row.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { renewLease } from '../../src/store/tool-calls.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { approvedCall, beginWaiting, lapse, storedCall } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import type { WaitingCall } from '../helpers/waiting-call.ts';

/* Whose attempt of an approved call may begin, and go on: on the real store. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-begin');
});
afterAll(() => store.close());

const begin = (call: WaitingCall, more?: Parameters<typeof beginWaiting>[2]) =>
  beginWaiting(store.db, call, more);
const approved = () => approvedCall(store.db);
const otherTerms: GateTerms = { rule: 'another', levels: [], remember: 'once' };

/** What is asked about the attempt that was lost. */
async function asked(call: WaitingCall): Promise<string> {
  await lapse(store.db, call);
  const beginning = await begin(call);
  if (beginning.kind !== 'question') throw new Error(`Nobody is asked: ${beginning.kind}.`);
  return beginning.question.requestId;
}

test('a run that the turn is not given to begins nothing', async () => {
  const call = await approved();
  expect(await begin(call, { runId: 'another' })).toEqual({ kind: 'refused' });
  const acted = async () => {
    const sql = 'select acted_at is not null as acted from decisions where tool_call_id = $1';
    return (await store.db.query(sql, [call.toolCallId])).rows;
  };
  expect(await acted()).toEqual([{ acted: false }]);
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 1 });
  // So nobody signals it any more.
  expect(await acted()).toEqual([{ acted: true }]);
});

test.each<Partial<Inspection>>([{ gate: 'ask' }, { gate: 'allow', terms: null }])(
  'what was not decided does not run, though the row of the call has its hash: %j',
  async (now) => {
    const call = await approved();
    const [args, hash] = [{ to: 'eve@example.com' }, argumentsHash({ to: 'eve@example.com' })];
    const sql = 'update tool_calls set arguments = $2, arguments_hash = $3 where id = $1';
    await store.db.query(sql, [call.toolCallId, args, hash]);
    const beginning = await begin(call, { argumentsHash: hash, ...now });
    expect(beginning).toMatchObject({ kind: 'asked', call: { round: 2 } });
    expect('events' in beginning && beginning.events.map(({ frame }) => frame)).toMatchObject([
      { type: 'tool_approval_request', because: 'arguments_changed', arguments: args },
    ]);
  },
);

test('a tool that is another than was approved is asked about, also where the policy allows it now, and its row says so', async () => {
  const now = { toolHash: 'of another tool', gate: 'allow', terms: null } as const;
  const call = await approved();
  await store.db.query('update tool_calls set tool_hash = $2 where id = $1', [call.toolCallId, now.toolHash]);
  const beginning = await begin(call, now);
  expect(beginning).toMatchObject({ kind: 'asked', events: [{ frame: { because: 'tool_changed' } }] });
});

test.each<[string, Partial<Inspection>]>([
  ['tool_changed', { toolHash: 'of another tool', gate: 'allow', terms: null }],
  ['arguments_changed', { argumentsHash: 'of other arguments' }],
])('people who are still to decide are asked anew: %s', async (because, now) => {
  const waiting = await storedCall(store.db);
  expect(await begin(waiting)).toEqual({ kind: 'undecided' });
  expect(await begin(waiting, now)).toMatchObject({
    kind: 'asked',
    call: { round: 2 },
    events: [{ frame: { type: 'tool_approval_request', because } }],
  });
});

test('a call that the policy let through runs by that alone: one that is to be asked about now is asked about', async () => {
  const allowed = await storedCall(store.db, { gate: 'allow' });
  expect(await begin(allowed, { gate: 'allow', terms: null })).toMatchObject({ kind: 'begin' });
  const other = await storedCall(store.db, { gate: 'allow' });
  expect(await begin(other, { gate: 'ask', terms: otherTerms })).toMatchObject({
    kind: 'asked',
    call: { round: 1 },
    events: [{ frame: { type: 'tool_approval_request', because: 'rule_changed' } }],
  });
  expect(await begin(other, { gate: 'ask' })).toEqual({ kind: 'undecided' });
});

test('the last call that a limit lets through may be made again', async () => {
  const call = await approved();
  const limits = { ...onlySteps(25), turn: { steps: 25, tool_calls: 1 } };
  await store.db.query('update tool_calls set repeatable = true where id = $1', [call.toolCallId]);
  expect(await begin(call, { limits })).toMatchObject({ kind: 'begin', attempt: 1 });
  await lapse(store.db, call);
  expect(await begin(call, { limits })).toMatchObject({ kind: 'begin', attempt: 2 });
});

test.each([true, false])(
  'beside an attempt that may be running none begins, repeatable (%s) or not',
  async (repeatable) => {
    const call = await approved();
    await store.db.query('update tool_calls set repeatable = $2 where id = $1', [
      call.toolCallId,
      repeatable,
    ]);
    expect(await begin(call)).toMatchObject({ kind: 'begin' });
    const second = await begin(call);
    expect(second).toEqual({ kind: 'leased', forMs: expect.any(Number) });
    expect(second.kind === 'leased' && second.forMs).toBeGreaterThan(0);
    await lapse(store.db, call);
    expect(await begin(call)).toMatchObject(
      repeatable ? { kind: 'begin', attempt: 2 } : { kind: 'question' },
    );
  },
);

test('each attempt that is lost is asked about, not only the first', async () => {
  const call = await approved();
  await begin(call);
  const first = await asked(call);
  await answerQuestion(store.db, {
    ...{ sessionId: call.sessionId, requestId: first, userId: 'alice', via: 'http' },
    ...{ action: 'accept', content: { outcome: 'run_again' } },
  });
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 2 });
  expect(await asked(call)).not.toBe(first);
});

test('of a turn that is to be cancelled a lost call is asked about no more, and stays unknown', async () => {
  for (const isAsked of [false, true]) {
    const call = await approved();
    await begin(call);
    if (isAsked) await asked(call);
    else await lapse(store.db, call);
    await requestCancel(store.db, { sessionId: call.sessionId, userId: 'alice' });
    const closed = await begin(call);
    expect(closed).toMatchObject({ kind: 'closed', status: 'unknown' });
    const types = 'events' in closed ? closed.events.map(({ frame: { type } }) => type) : [];
    expect(types).toEqual(isAsked ? ['input_resolved', 'tool_result'] : ['tool_result']);
  }
});

test.each<Partial<Inspection>>([{ gate: 'deny' }, { unavailable: 'it is down' }])(
  'a lost call that could be repeated, but not now, is asked about: %j',
  async (now) => {
    const call = await approved();
    await store.db.query('update tool_calls set repeatable = true where id = $1', [call.toolCallId]);
    await begin(call);
    await lapse(store.db, call);
    expect(await begin(call, now)).toMatchObject({ kind: 'question', question: { kind: 'unknown_outcome' } });
  },
);

/** An attempt that asks people, of a server that is said to ask first, or not. */
async function asking(asksFirst: boolean) {
  const call = await approved();
  const { sessionId, toolCallId, step } = call;
  await begin(call, { asksFirst });
  const question = { turnId: step.turnId, key: 'k', message: 'Which?', schema: { type: 'object' } };
  const attempt = { sessionId, toolCallId, attempt: 1 };
  const asked = await askForTool(store.db, attempt, question, { isHeld: asksFirst });
  return { call, attempt, requestId: asked?.question.requestId ?? '' };
}

test.each([true, false])(
  'an attempt that stood at a question had done nothing only if its server was, and is, said to ask first (was: %s)',
  async (was) => {
    const { call } = await asking(was);
    await lapse(store.db, call);
    const unknown = { kind: 'question', question: { kind: 'unknown_outcome' } };
    expect(await begin(call, { asksFirst: !was })).toMatchObject(unknown);
  },
);

test('an answer that was taken by an attempt which was then let go is signalled on; the attempt has done nothing', async () => {
  const { call, attempt, requestId } = await asking(true);
  const { sessionId } = attempt;
  const response = { sessionId, requestId, userId: 'alice', action: 'decline', via: 'http' } as const;
  await answerQuestion(store.db, response);
  const acted = async () => {
    const sql = 'select acted_at is not null as acted from input_requests where id = $1';
    return (await store.db.query(sql, [requestId])).rows[0]?.acted;
  };
  expect(await takeAnswer(store.db, attempt, requestId)).toMatchObject({ action: 'decline' });
  expect(await acted()).toBe(true);
  expect(await letCallGo(store.db, attempt)).toBe(true);
  expect(await acted()).toBe(false);
  await requestCancel(store.db, { sessionId, userId: 'alice' });
  expect(await begin(call, { asksFirst: true })).toMatchObject({ kind: 'closed', status: 'cancelled' });
});

test.each([
  [true, 'cancelled'],
  [false, 'unknown'],
])(
  'a call that may be repeated, and was lost, is given up with its turn, read-only (%s): %s',
  async (readOnly, status) => {
    const call = await approved();
    const sql = 'update tool_calls set repeatable = true, read_only = $2 where id = $1';
    await store.db.query(sql, [call.toolCallId, readOnly]);
    await begin(call);
    await lapse(store.db, call);
    await requestCancel(store.db, { sessionId: call.sessionId, userId: 'alice' });
    expect(await begin(call)).toMatchObject({ kind: 'closed', status });
  },
);

/** The session's lock is free, also for whoever comes again and again. */
async function lockOften({ sessionId }: WaitingCall): Promise<void> {
  for (let times = 0; times < 20; times += 1) await transaction(store.db, (tx) => lockSession(tx, sessionId));
}

test('a server that is slow to say what its tool is does not hold its session up, and what changes meanwhile counts', async () => {
  const call = await approved();
  const told = Promise.withResolvers<void>();
  const beginning = begin(call, { told: told.promise });
  await lockOften(call);
  await requestCancel(store.db, { sessionId: call.sessionId, userId: 'alice' });
  told.resolve();
  expect(await beginning).toMatchObject({ kind: 'closed', status: 'cancelled' });
});

test('where it cannot be said what is about to run, nothing begins; of a call that has ended nothing need be said', async () => {
  const call = await approved();
  const fault = new Error('a broken policy');
  await expect(begin(call, { told: Promise.reject(fault) })).rejects.toBe(fault);
  const late = lockOften(call).then(() => Promise.reject(fault));
  await expect(begin(call, { told: late })).rejects.toBe(fault);
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 1 });
  const { sessionId, toolCallId } = call;
  const result = { status: 'completed', result: 1, text: '1', error: null, how: 'answered' } as const;
  const outcome = { sessionId, toolCallId, attempt: 1, ...result };
  await finishCall(store.db, outcome, { questionTimeoutMs: 60_000 });
  expect(await begin(call, { told: Promise.reject(fault) })).toMatchObject({ kind: 'closed' });
});

test('a lease is renewed by its own attempt alone, while it runs', async () => {
  const call = await approved();
  const { sessionId, toolCallId } = call;
  const renew = (attempt: number) => renewLease(store.db, { toolCallId, attempt, leaseMs: 60_000 });
  await begin(call);
  expect(await renew(1)).toEqual({ cancelRequested: false });
  expect(await renew(2)).toBeNull();
  const result = { status: 'completed', result: 1, text: '1', error: null, how: 'answered' } as const;
  const outcome = { sessionId, toolCallId, attempt: 1, ...result };
  await finishCall(store.db, outcome, { questionTimeoutMs: 60_000 });
  expect(await renew(1)).toBeNull();
});

test('what has changed after each of very many approvals is given up', async () => {
  const call = await approved();
  const reach = (round: number) =>
    transaction(store.db, async (tx) => {
      // As if it had been asked about so often: the store refuses such a change, but for its owner.
      await tx.query('alter table decisions disable trigger decisions_stand');
      await tx.query('update decisions set round = $2 where tool_call_id = $1', [call.toolCallId, round]);
      await tx.query('alter table decisions enable trigger decisions_stand');
      await tx.query('update tool_calls set round = $2 where id = $1', [call.toolCallId, round]);
    });
  await reach(roundsMax);
  expect(await begin(call, { terms: otherTerms })).toMatchObject({ kind: 'closed', status: 'denied' });
});

test('a question is answered in its own session alone, and another answer of the same person is another', async () => {
  const { attempt, requestId } = await asking(true);
  const { sessionId } = await storedCall(store.db);
  const answer = (n: number, where: string) =>
    answerQuestion(store.db, {
      ...{ requestId, sessionId: where, userId: 'alice', via: 'http' },
      ...{ action: 'accept', content: { n } },
    });
  await expect(answer(1, sessionId)).rejects.toMatchObject({ code: 'not_found' });
  expect(await answer(1, attempt.sessionId)).toMatchObject({ kind: 'recorded' });
  expect(await answer(2, attempt.sessionId)).toMatchObject({ kind: 'conflict' });
  expect(await answer(1, attempt.sessionId)).toMatchObject({ kind: 'recorded' });
});
