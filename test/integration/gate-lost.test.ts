import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pino from 'pino';
import { keepLease } from '../../src/activities/lease.ts';
import type { GateLevel, GateTerms } from '../../src/protocol/gate-terms.ts';
import { finishCall } from '../../src/store/call-end.ts';
import { decide } from '../../src/store/decisions.ts';
import { askForTool, letCallGo, takeAnswer } from '../../src/store/elicitations.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { createSession } from '../../src/store/sessions.ts';
import { tendGate } from '../../src/store/tend-gate.ts';
import { endRunningTurn } from '../../src/store/turns.ts';
import { beginWaiting } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { type WaitingCall, waitingCall } from '../helpers/waiting-call.ts';

/* Attempts that were lost, against the gate they came through: on the real store, each lease made to lapse. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-lost');
});
afterAll(() => store.close());

const session = async () => (await createSession(store.db, { tenant: 't', userId: 'alice' })).id;
const carol: Partial<GateLevel> = { approvers: { users: ['carol', 'dave'], roles: [], requester: false } };

/** A call that waits for `levels`. */
async function waiting(levels: Partial<GateLevel>[]): Promise<WaitingCall> {
  return waitingCall({ db: store.db, worker: { publish: () => undefined }, session } as never, { levels });
}

const approve = (call: WaitingCall, userId: string, round = 1) =>
  decide(store.db, {
    ...call,
    decidedBy: userId,
    approved: true,
    via: 'http',
    round,
    argumentsHash: undefined,
  });

const begin = (call: WaitingCall, more: Parameters<typeof beginWaiting>[2] = {}) =>
  beginWaiting(store.db, call, more);

const lapse = ({ toolCallId }: WaitingCall) =>
  store.db.query(`update tool_calls set lease_until = now() - interval '1 second' where id = $1`, [
    toolCallId,
  ]);

/** The attempt is lost, and somebody says what is to become of it. */
async function lose(
  call: WaitingCall,
  userId: string,
  outcome: string,
  more: Parameters<typeof begin>[1] = {},
): Promise<void> {
  await lapse(call);
  const asked = await begin(call, more);
  if (asked.kind !== 'question') throw new Error(`Nobody is asked: ${asked.kind}.`);
  const { requestId } = asked.question;
  const { sessionId } = call;
  await answerQuestion(store.db, {
    ...{ sessionId, requestId, userId, via: 'http' },
    ...{ action: 'accept', content: { outcome } },
  });
}

async function statusOf({ toolCallId }: WaitingCall): Promise<string> {
  const { rows } = await store.db.query('select status from tool_calls where id = $1', [toolCallId]);
  return rows[0]?.status;
}

test('a lost call is sent again by who could approve it alone, also after an escalation to fewer', async () => {
  const dora: Partial<GateLevel> = { approvers: { users: ['dora'], roles: [], requester: false } };
  const call = await waiting([{ ...carol, needed: 2 }, dora]);
  await approve(call, 'carol');
  await store.db.query(`update tool_calls set expires_at = now() where id = $1`, [call.toolCallId]);
  expect(await tendGate(store.db, call)).toMatchObject({ kind: 'waiting', call: { level: 1 } });
  expect(await approve(call, 'dave')).toMatchObject({ kind: 'recorded' });
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 1 });
  await expect(lose(call, 'carol', 'run_again')).rejects.toMatchObject({ code: 'forbidden' });
  await lose(call, 'dora', 'run_again');
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 2 });
});

test('a call of which an attempt was lost is never said not to have run: rejected, denied, its server away', async () => {
  const lost = async () => {
    const call = await waiting([carol]);
    await approve(call, 'carol');
    await begin(call);
    await lose(call, 'carol', 'run_again');
    return call;
  };
  const rejected = await lost();
  const terms: GateTerms = { rule: 'another', levels: [], remember: 'once' };
  expect(await begin(rejected, { terms })).toMatchObject({ kind: 'asked', call: { round: 2 } });
  const no = { sessionId: rejected.sessionId, toolCallId: rejected.toolCallId, decidedBy: 'alice' };
  await decide(store.db, { ...no, approved: false, via: 'http', round: 2 });
  expect(await statusOf(rejected)).toBe('unknown');

  const ended = await lost();
  expect(await begin(ended, { terms })).toMatchObject({ kind: 'asked' });
  const { sessionId, step } = ended;
  await endRunningTurn(store.db, { sessionId, runId: step.runId, status: 'cancelled' });
  expect(await statusOf(ended)).toBe('unknown');

  const away = await lost();
  expect(await begin(away, { unavailable: 'it starts again', mayWait: true })).toEqual({
    kind: 'away',
    why: 'it starts again',
  });
  expect(await begin(away, { unavailable: 'it is down' })).toMatchObject({
    kind: 'closed',
    status: 'unknown',
  });

  const denied = await lost();
  expect(await begin(denied, { gate: 'deny' })).toMatchObject({ kind: 'closed', status: 'unknown' });
});

const keyed = { repeatable: true, readOnly: false };
const distrust = { repeatable: false, readOnly: false };

test('a call that could be repeated when it was proposed is asked about where it cannot be any more, and stays so', async () => {
  const lost = async () => {
    const call = await waiting([carol]);
    await store.db.query('update tool_calls set repeatable = true where id = $1', [call.toolCallId]);
    await approve(call, 'carol');
    expect(await begin(call, { repeatability: keyed })).toMatchObject({ kind: 'begin', repeatable: true });
    await lapse(call);
    return call;
  };
  // Nothing new is known of a server that cannot be asked.
  expect(await begin(await lost(), { repeatability: null })).toMatchObject({
    kind: 'begin',
    repeatable: true,
  });
  const distrusted = await lost();
  expect(await begin(distrusted, { repeatability: distrust })).toMatchObject({ kind: 'question' });
  await lose(distrusted, 'carol', 'run_again');
  expect(await begin(distrusted, { repeatability: keyed })).toMatchObject({
    kind: 'begin',
    repeatable: false,
  });
  await lapse(distrusted);
  expect(await begin(distrusted, { repeatability: keyed })).toMatchObject({ kind: 'question' });
  // Asked about anew and rejected: the first attempt may have had its effect all the same.
  const rejected = await lost();
  await lose(rejected, 'carol', 'run_again', { repeatability: distrust });
  const terms: GateTerms = { rule: 'another', levels: [], remember: 'once' };
  expect(await begin(rejected, { terms })).toMatchObject({ kind: 'asked', call: { round: 2 } });
  const no = { sessionId: rejected.sessionId, toolCallId: rejected.toolCallId, decidedBy: 'alice' };
  await decide(store.db, { ...no, approved: false, via: 'http', round: 2 });
  expect(await statusOf(rejected)).toBe('unknown');
});

test('what fails when it is sent again is not said to have had no effect: the attempt that was lost may have had one', async () => {
  const call = await waiting([carol]);
  await approve(call, 'carol');
  await begin(call);
  await lose(call, 'carol', 'run_again');
  expect(await begin(call)).toMatchObject({ kind: 'begin', attempt: 2 });
  const error = { code: 'tool_error', message: 'it is full' } as const;
  const outcome = { status: 'failed', how: 'answered', result: null, text: 'it is full', error } as const;
  const end = await finishCall(store.db, { ...call, attempt: 2, ...outcome }, { questionTimeoutMs: 60_000 });
  expect(end).toMatchObject({ kind: 'closed', status: 'unknown' });
  const { rows } = await store.db.query('select content from messages where tool_call_id = $1', [
    call.toolCallId,
  ]);
  expect(rows).toEqual([{ content: expect.stringMatching(/^it is full.*was sent and lost/) }]);
});

test('an approval that comes after the time of the last who were asked finds the call expired', async () => {
  const call = await waiting([carol]);
  await store.db.query(`update tool_calls set expires_at = now() where id = $1`, [call.toolCallId]);
  const expired = { kind: 'conflict', decision: { decision: 'expired', by: 'turngate' } };
  expect(await approve(call, 'carol')).toMatchObject(expired);
  expect(await approve(call, 'carol')).toMatchObject(expired);
  expect(await begin(call)).toMatchObject({ kind: 'closed', status: 'rejected' });
});

test('after the time of those who were asked first they may approve until others are asked, and reject for good', async () => {
  const over = `update tool_calls set expires_at = now() where id = $1`;
  const first = await waiting([carol, { ...carol, needed: 1 }]);
  await store.db.query(over, [first.toolCallId]);
  expect(await approve(first, 'carol')).toMatchObject({ kind: 'recorded' });
  const last = await waiting([carol]);
  await store.db.query(over, [last.toolCallId]);
  const { sessionId, toolCallId } = last;
  const no = { sessionId, toolCallId, decidedBy: 'carol', approved: false, via: 'http' };
  expect(await decide(store.db, no)).toMatchObject({ decision: { decision: 'rejected', by: 'carol' } });
});

test('a gate whose tool has become one that is denied is withdrawn, so that whoever was asked hears of it', async () => {
  const call = await waiting([carol]);
  const closed = await begin(call, { toolHash: 'of another tool', gate: 'deny' });
  expect(closed).toMatchObject({ kind: 'closed', status: 'denied' });
  const types = 'events' in closed ? closed.events.map(({ frame: { type } }) => type) : [];
  expect(types).toEqual(['tool_approval_resolved', 'tool_result']);
  expect(await approve(call, 'carol')).toMatchObject({
    kind: 'conflict',
    decision: { decision: 'withdrawn' },
  });
});

test('a lease that lapsed while its process slept lets nothing be sent', async () => {
  const call = await waiting([carol]);
  await approve(call, 'carol');
  const first = await begin(call);
  if (first.kind !== 'begin') throw new Error(first.kind);
  const { toolCallId } = call;
  const deps = { db: store.db, logger: pino({ level: 'silent' }) };
  const stop = { signal: new AbortController().signal, stop: () => undefined, end: () => undefined };
  const asked = { toolCallId, attempt: first.attempt };
  const hold = async (since: number) => {
    const lease = keepLease(deps, { ...asked, since }, stop);
    const holds = await lease.holds();
    lease.end();
    return holds;
  };
  expect(await hold(Date.now())).toBe(true);
  // Long ago by this clock, but it holds by the store's.
  expect(await hold(Date.now() - 60_000)).toBe(true);
  await lapse(call);
  expect(await hold(Date.now() - 60_000)).toBe(false);
});

test('an answer to a question of a tool reaches no attempt whose time has lapsed', async () => {
  const call = await waiting([carol]);
  await approve(call, 'carol');
  const first = await begin(call, { asksFirst: true });
  if (first.kind !== 'begin') throw new Error(first.kind);
  const { sessionId, toolCallId, step } = call;
  const at = { sessionId, toolCallId, attempt: first.attempt };
  const question = {
    turnId: step.turnId,
    key: 'which',
    message: 'Which?',
    schema: { type: 'object', properties: { n: { type: 'integer' } }, additionalProperties: false },
  };
  const asked = await askForTool(store.db, at, question, { isHeld: true });
  const requestId = asked?.question.requestId ?? '';
  await answerQuestion(store.db, {
    ...{ sessionId, requestId, userId: 'alice', via: 'http' },
    ...{ action: 'accept', content: { n: 1 } },
  });
  await lapse(call);
  expect(await takeAnswer(store.db, at, requestId)).toBeNull();
  expect(await askForTool(store.db, at, { ...question, key: 'another' }, { isHeld: true })).toBeNull();
  // So the next one may have it: nothing was done.
  expect(await begin(call, { asksFirst: true })).toMatchObject({ kind: 'begin', attempt: 2 });
  expect(await takeAnswer(store.db, at, requestId)).toBeNull();
  expect(await askForTool(store.db, at, question, { isHeld: true })).toBeNull();
  const next = { ...at, attempt: 2 };
  expect(await askForTool(store.db, next, question, { isHeld: true })).toMatchObject({
    answer: { content: { n: 1 } },
  });
  expect(await letCallGo(store.db, at)).toBe(false);
  // What another attempt let go of is not given back: it has been used.
  await lapse(call);
  expect(await begin(call, { asksFirst: true })).toMatchObject({ kind: 'question' });
});
