import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { GateTerms } from '../../src/protocol/gate-terms.ts';
import { onlySteps } from '../../src/protocol/turn-limits.ts';
import { finishCall } from '../../src/store/call-end.ts';
import { transaction } from '../../src/store/db.ts';
import { decide } from '../../src/store/decisions.ts';
import { askForTool, letCallGo } from '../../src/store/elicitations.ts';
import { settleCallLimits } from '../../src/store/limits.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { endRunningTurn, requestCancel } from '../../src/store/turns.ts';
import { giveBackUnsent } from '../../src/store/unsent-call.ts';
import { approvedCall, beginWaiting, lapse } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import type { WaitingCall } from '../helpers/waiting-call.ts';

/* Calls of which several attempts are lost, or one, and something else happens before the next; on the real store. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-lost-again');
});
afterAll(() => store.close());

const begin = (call: WaitingCall, more: Parameters<typeof beginWaiting>[2] = {}) =>
  beginWaiting(store.db, call, more);

/** An approved call that is about to begin. */
async function callThat(is: { repeatable: boolean; readOnly: boolean }): Promise<WaitingCall> {
  const call = await approvedCall(store.db);
  const sql = 'update tool_calls set repeatable = $2, read_only = $3 where id = $1';
  await store.db.query(sql, [call.toolCallId, is.repeatable, is.readOnly]);
  return call;
}
const plain = { repeatable: false, readOnly: false };
const keyed = { repeatable: true, readOnly: false };
const reading = { repeatable: true, readOnly: true };

/** It is begun, and nothing is heard of it. */
async function lose(call: WaitingCall, attempt: number): Promise<void> {
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt });
  await lapse(store.db, call);
}

async function tell(call: WaitingCall, outcome: string): Promise<void> {
  const asked = await begin(call);
  if (asked.kind !== 'question') throw new Error(`Nobody is asked: ${asked.kind}.`);
  await answerQuestion(store.db, {
    ...{ sessionId: call.sessionId, requestId: asked.question.requestId, userId: 'alice', via: 'http' },
    ...{ action: 'accept', content: { outcome } },
  });
}
/** After it was asked about for the second time. */
async function approveAnew({ sessionId, toolCallId }: WaitingCall): Promise<void> {
  const yes = { decidedBy: 'alice', approved: true, via: 'http', round: 2 } as const;
  await decide(store.db, { sessionId, toolCallId, ...yes });
}

const runAgain = (call: WaitingCall) => tell(call, 'run_again');

async function letGo(call: WaitingCall, attempt: number): Promise<void> {
  const { sessionId, toolCallId, step } = call;
  const asked = { turnId: step.turnId, key: 'k', message: 'Which?', schema: { type: 'object' } };
  await askForTool(store.db, { sessionId, toolCallId, attempt }, asked, { isHeld: true });
  expect(await letCallGo(store.db, { sessionId, toolCallId, attempt })).toBe(true);
}

const question = { kind: 'question', question: { kind: 'unknown_outcome' } };
const terms: GateTerms = { rule: 'another', levels: [], remember: 'once' };

test.each([
  ['it may be repeated', keyed],
  ['somebody lets it run again', plain],
])(
  'what is asked about anew after an attempt was lost, because %s, and fails, is not said to have had no effect',
  async (_, is) => {
    const call = await callThat(is);
    await lose(call, 1);
    if (!is.repeatable) await runAgain(call);
    // Whoever is asked is told of it: a no would not undo what it may have done.
    const reason = expect.stringMatching(/^big .*was sent before/);
    expect(await begin(call, { terms })).toMatchObject({ kind: 'asked', call: { round: 2, reason } });
    await approveAnew(call);
    expect(await begin(call, { terms })).toMatchObject({ kind: 'begin', attempt: 2, wasLost: true });
    const error = { code: 'tool_error', message: 'it is full' } as const;
    const outcome = { status: 'failed', how: 'answered', result: null, text: 'it is full', error } as const;
    const end = await finishCall(
      store.db,
      { ...call, attempt: 2, ...outcome },
      { questionTimeoutMs: 60_000 },
    );
    expect(end).toMatchObject({ kind: 'closed', status: 'unknown' });
  },
);

test('what always loses its worker is sent three times, then a person is asked, each time that it is lost again', async () => {
  const call = await callThat(keyed);
  for (const attempt of [1, 2, 3]) await lose(call, attempt);
  expect(await begin(call)).toMatchObject(question);
  await runAgain(call);
  // Nobody is asked again because this one could not be sent.
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 4 });
  const { sessionId, toolCallId } = call;
  expect(await giveBackUnsent(store.db, { sessionId, toolCallId, attempt: 4 })).toBe(true);
  await lose(call, 5);
  expect(await begin(call)).toMatchObject(question);
  const cancelled = await callThat(keyed);
  for (const attempt of [1, 2, 3]) await lose(cancelled, attempt);
  await requestCancel(store.db, { sessionId: cancelled.sessionId, userId: 'alice' });
  expect(await begin(cancelled)).toMatchObject({ kind: 'closed', status: 'unknown' });
});

test('what is read-only and always loses its worker has failed after three times, and nobody is asked', async () => {
  const call = await callThat(reading);
  for (const attempt of [1, 2, 3]) await lose(call, attempt);
  const end = await begin(call);
  expect(end).toMatchObject({ kind: 'closed', status: 'failed' });
  expect('events' in end && end.events.map(({ frame }) => frame.type)).toEqual(['tool_result']);
});

test('nobody is asked what became of a lost read-only call that cannot be sent again', async () => {
  const [away, denied] = [await callThat(reading), await callThat(reading)];
  await lose(away, 1);
  expect(await begin(away, { unavailable: 'it is down' })).toMatchObject({
    kind: 'closed',
    status: 'failed',
  });
  await lose(denied, 1);
  expect(await begin(denied, { gate: 'deny' })).toMatchObject({ kind: 'closed', status: 'denied' });
});

test('what was called read-only when it was lost is asked about where that is believed no more', async () => {
  const call = await callThat(reading);
  await lose(call, 1);
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 2, wasLost: false });
  const { sessionId, toolCallId } = call;
  expect(await giveBackUnsent(store.db, { sessionId, toolCallId, attempt: 2 })).toBe(true);
  const uses = `select from usage u join tool_calls c using (turn_id) where u.kind = 'call' and c.id = $1`;
  expect((await store.db.query(uses, [toolCallId])).rows).toHaveLength(1);
  expect(await begin(call, { repeatability: plain })).toMatchObject(question);
});

test('what was counted before an attempt that could not be sent does not stand at a limit by itself', async () => {
  const call = await callThat(keyed);
  const limits = { ...onlySteps(25), turn: { steps: 25, tool_calls: 1 } };
  expect(await begin(call, { limits })).toMatchObject({ kind: 'begin' });
  await lapse(store.db, call);
  expect(await begin(call, { limits })).toMatchObject({ kind: 'begin', attempt: 2 });
  const { sessionId, toolCallId } = call;
  expect(await giveBackUnsent(store.db, { sessionId, toolCallId, attempt: 2 })).toBe(true);
  expect(await begin(call, { limits })).toMatchObject({ kind: 'begin', attempt: 3 });
});

test('what is let go at a question, and has done nothing, is cancelled with its turn', async () => {
  const call = await callThat(plain);
  await begin(call, { asksFirst: true });
  await letGo(call, 1);
  const { sessionId, step } = call;
  const { events } = await endRunningTurn(store.db, { sessionId, runId: step.runId, status: 'cancelled' });
  expect(events.map(({ frame }) => frame.type)).toEqual(['input_resolved', 'tool_result', 'turn_end']);
  expect(events[1]?.frame).toMatchObject({ status: 'cancelled' });
});

test('a call that could not be sent, and stands at a limit, is told of the answer also where another has read it', async () => {
  const call = await callThat(plain);
  await begin(call);
  const { sessionId, toolCallId, step } = call;
  await giveBackUnsent(store.db, { sessionId, toolCallId, attempt: 1 });
  const limits = { ...onlySteps(25), turn: { steps: 25, tool_calls: 0 } };
  const asked = await begin(call, { limits });
  if (asked.kind !== 'question') throw new Error(`Nobody is asked: ${asked.kind}.`);
  const { requestId } = asked.question;
  const answer = { sessionId, requestId, userId: 'alice', via: 'http' };
  await answerQuestion(store.db, { ...answer, action: 'decline' });
  await transaction(store.db, (tx) => settleCallLimits(tx, { id: 'another', turn_id: step.turnId }));
  const sql = 'select acted_at from input_requests where id = $1';
  expect((await store.db.query(sql, [requestId])).rows).toEqual([{ acted_at: null }]);
});

const askAnew = async (call: WaitingCall) => {
  expect(await begin(call, { terms })).toMatchObject({ kind: 'asked', call: { round: 2 } });
  // What its server says is believed no more while people look.
  expect(await begin(call, { terms, repeatability: plain })).toMatchObject({ kind: 'undecided' });
  await approveAnew(call);
};

test('what was lost while it could be repeated, and cannot be any more, is not sent again without a word', async () => {
  const asked = await callThat(keyed);
  await lose(asked, 1);
  await askAnew(asked);
  const held = await callThat(keyed);
  await lose(held, 1);
  expect(await begin(held, { asksFirst: true })).toMatchObject({ kind: 'begin', attempt: 2 });
  await letGo(held, 2);
  for (const [call, attempt] of [
    [asked, 2],
    [held, 3],
  ] as const) {
    const now = { repeatability: plain, ...(call === asked ? { terms } : {}) };
    const first = await begin(call, now);
    expect(first).toMatchObject(question);
    await runAgain(call);
    expect(await begin(call, now)).toMatchObject({ kind: 'begin', attempt, repeatable: false });
    const { sessionId, toolCallId } = call;
    expect(await giveBackUnsent(store.db, { sessionId, toolCallId, attempt })).toBe(true);
    expect(await begin(call, now)).toMatchObject({ kind: 'begin', attempt: attempt + 1 });
  }
});

test('what may have had its effect is not changed before it is sent again with the same key; what was not sent may be', async () => {
  const change = (call: WaitingCall) =>
    decide(store.db, {
      ...{ sessionId: call.sessionId, toolCallId: call.toolCallId, decidedBy: 'alice', via: 'http' },
      ...{ approved: true, round: 2, arguments: { to: 'eve@example.com' } },
    });
  const sent = await callThat(keyed);
  await lose(sent, 1);
  expect(await begin(sent, { terms })).toMatchObject({ kind: 'asked' });
  const message = expect.stringMatching(/^Field "arguments": .*was sent before/);
  await expect(change(sent)).rejects.toMatchObject({ code: 'validation_error', message });
  const unsent = await callThat(keyed);
  await begin(unsent);
  const { sessionId, toolCallId } = unsent;
  await giveBackUnsent(store.db, { sessionId, toolCallId, attempt: 1 });
  expect(await begin(unsent, { terms })).toMatchObject({ kind: 'asked', call: { reason: 'big' } });
  expect(await change(unsent)).toMatchObject({ kind: 'recorded' });
});

test.each([
  ['happened', 'unknown', /it did take effect, says alice/],
  ['did_not_happen', 'failed', /did not take effect, says alice/],
  ['run_again', 'unknown', /may or may not have happened|not known whether/],
])('what somebody said of a lost call, %s, is not lost with its turn', async (outcome, status, text) => {
  const told = async () => {
    const call = await callThat(plain);
    await lose(call, 1);
    await tell(call, outcome);
    return call;
  };
  const sql =
    'select status, content from tool_calls c join messages m on m.tool_call_id = c.id where c.id = $1';
  const resultOf = async ({ toolCallId }: WaitingCall) => (await store.db.query(sql, [toolCallId])).rows;
  const [cancelled, ended] = [await told(), await told()];
  await requestCancel(store.db, { sessionId: cancelled.sessionId, userId: 'alice' });
  expect(await begin(cancelled)).toMatchObject({ kind: 'closed', status });
  const { sessionId, step } = ended;
  await endRunningTurn(store.db, { sessionId, runId: step.runId, status: 'cancelled' });
  for (const call of [cancelled, ended]) {
    expect(await resultOf(call)).toEqual([{ status, content: expect.stringMatching(text) }]);
  }
});
