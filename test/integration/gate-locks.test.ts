import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { finishCall } from '../../src/store/call-end.ts';
import { lockSession, type Tx, transaction } from '../../src/store/db.ts';
import { decide } from '../../src/store/decisions.ts';
import { askForTool, letCallGo } from '../../src/store/elicitations.ts';
import { cancelQuestion } from '../../src/store/question-close.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { tendGate } from '../../src/store/tend-gate.ts';
import { approvedCall, beginWaiting, storedCall } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { ask } from '../helpers/questions.ts';
import { until } from '../helpers/until.ts';
import type { WaitingCall } from '../helpers/waiting-call.ts';

/* Whatever is done at a gate is done under the session's lock. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-locks');
});
afterAll(() => store.close());

const verdict = { decidedBy: 'alice', approved: true, via: 'http' };
const waiting = () => storedCall(store.db);
const approved = () => approvedCall(store.db);

async function running(): Promise<WaitingCall & { attempt: number }> {
  const call = await approved();
  await beginWaiting(store.db, call);
  return { ...call, attempt: 1 };
}

async function asking(): Promise<WaitingCall & { requestId: string; turnId: string }> {
  const call = await running();
  const about = { sessionId: call.sessionId, turnId: call.step.turnId };
  return { ...call, ...about, requestId: (await ask(store.db, about)).requestId };
}

/** Begins `work` while somebody holds the lock, who then makes `change`. */
async function behind<T>(sessionId: string, work: () => Promise<T>, change: Change): Promise<T> {
  const worked = await transaction(store.db, async (tx) => {
    await lockSession(tx, sessionId);
    const under = work();
    // It is heard below.
    under.catch(() => undefined);
    await until(async () => {
      const { rows } = await store.db.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return rows.length === 1;
    });
    await change(tx);
    return { under };
  });
  return worked.under;
}
type Change = (tx: Tx) => Promise<unknown>;

const demote = (sessionId: string) => (tx: Tx) =>
  tx.query(`update participants set role = 'viewer' where session_id = $1`, [sessionId]);

describe('what somebody else does is waited for, and seen, when', () => {
  test('a call begins', async () => {
    const call = await approved();
    const cancel: Change = (tx) =>
      tx.query('update turns set cancel_requested_at = now() where id = $1', [call.step.turnId]);
    const begun = await behind(call.sessionId, () => beginWaiting(store.db, call), cancel);
    expect(begun).toMatchObject({ kind: 'closed', status: 'cancelled' });
  });

  test('somebody decides', async () => {
    const call = await waiting();
    const { sessionId } = call;
    const decided = behind(sessionId, () => decide(store.db, { ...call, ...verdict }), demote(sessionId));
    await expect(decided).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('a gate is tended', async () => {
    const call = await waiting();
    const { sessionId, toolCallId } = call;
    const expire = 'update tool_calls set expires_at = now() where id = $1';
    await store.db.query(expire, [toolCallId]);
    const ready: Change = (tx) =>
      tx.query(`update tool_calls set status = 'ready' where id = $1`, [toolCallId]);
    const tended = await behind(sessionId, () => tendGate(store.db, { sessionId, toolCallId }), ready);
    expect(tended).toEqual({ kind: 'decided' });
  });

  test('the result of an attempt is written, or kept as late', async () => {
    const { sessionId, toolCallId, attempt } = await running();
    const takeOver: Change = (tx) =>
      tx.query(`update tool_calls set status = 'asking' where id = $1`, [toolCallId]);
    const answered = { status: 'completed', result: 1, text: '1', error: null, how: 'answered' } as const;
    const outcome = { sessionId, toolCallId, attempt, ...answered };
    const finish = () => finishCall(store.db, outcome, { questionTimeoutMs: 60_000 });
    const end = await behind(sessionId, finish, takeOver);
    expect(end.kind).toBe('superseded');
    expect(end.events.map(({ frame: { type } }) => type)).toEqual(['tool_late_result']);
  });

  test.each([
    ['asks', true],
    ['is let go', false],
  ])('an attempt %s', async (_name, asks) => {
    const call = await running();
    const { sessionId, toolCallId, attempt } = call;
    const next: Change = (tx) =>
      tx.query('update tool_calls set attempt = attempt + 1 where id = $1', [toolCallId]);
    const at = { sessionId, toolCallId, attempt };
    const question = { turnId: call.step.turnId, key: 'k', message: 'Which?', schema: { type: 'object' } };
    const work = async () =>
      asks ? askForTool(store.db, at, question, { isHeld: true }) : letCallGo(store.db, at);
    expect(await behind(sessionId, work, next)).toBe(asks ? null : false);
  });

  test('a question is answered', async () => {
    const { sessionId, requestId } = await asking();
    const response = { sessionId, requestId, userId: 'alice', action: 'decline', via: 'http' } as const;
    const answered = behind(sessionId, () => answerQuestion(store.db, response), demote(sessionId));
    await expect(answered).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('a question is taken back', async () => {
    const { sessionId, turnId, requestId } = await asking();
    const answer: Change = (tx) =>
      tx.query(
        `update input_requests set action = 'decline', answered_by = 'alice', via = 'http', answered_at = now() where id = $1`,
        [requestId],
      );
    const cancel = () => cancelQuestion(store.db, { sessionId, turnId, requestId }, 'server');
    expect(await behind(sessionId, cancel, answer)).toEqual([]);
  });
});
