import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { argumentsHash } from '../../src/gate/hashes.ts';
import { readAudit } from '../../src/store/approval-audit.ts';
import { decide } from '../../src/store/decisions.ts';
import { type Tended, tendGate } from '../../src/store/tend-gate.ts';
import { beginWaiting, storedCall } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import type { WaitingCall } from '../helpers/waiting-call.ts';

/* What happens at one gate more than once, and how it is counted: on the real store. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-again');
});
afterAll(() => store.close());

const set = (call: WaitingCall, what: string, values: unknown[] = []) =>
  store.db.query(`update tool_calls set ${what} where id = $1`, [call.toolCallId, ...values]);

/** Makes the next reminder due, and reminds. */
async function remind(call: WaitingCall): Promise<Tended> {
  await set(call, `remind_at = now() - interval '1 second'`);
  return tendGate(store.db, call);
}

const numbersIn = (tended: Tended) =>
  'events' in tended
    ? tended.events.map(({ frame }) => frame.type === 'tool_approval_reminder' && frame.number)
    : [];

test('reminders are counted from 1, once each, and from 1 again when it is asked about anew', async () => {
  const call = await storedCall(store.db, { levels: [{ remindEveryMs: 60_000 }] });
  expect(numbersIn(await tendGate(store.db, call))).toEqual([]);
  for (const number of [1, 2, 3]) {
    expect(numbersIn(await remind(call))).toEqual([number]);
    expect(numbersIn(await tendGate(store.db, call))).toEqual([]);
  }
  expect(await beginWaiting(store.db, call, { toolHash: 'of another tool' })).toMatchObject({
    kind: 'asked',
    call: { round: 2 },
  });
  expect(numbersIn(await remind(call))).toEqual([1]);
  const reminded = (await readAudit(store.db, call.toolCallId)).filter(({ action }) => action === 'reminded');
  expect(reminded.map(({ body }) => [body.round, body.number])).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
    [2, 1],
  ]);
});

test('an approval that somebody gives again for other arguments counts for those, and for the first no more', async () => {
  const call = await storedCall(store.db, {
    people: { max: 'member', ada: 'approver' },
    levels: [{ needed: 2 }],
  });
  const approve = (decidedBy: string) =>
    decide(store.db, {
      ...{ sessionId: call.sessionId, toolCallId: call.toolCallId },
      ...{ decidedBy, approved: true, via: 'http' },
    });
  const become = (args: Record<string, string>) =>
    set(call, 'arguments = $2, arguments_hash = $3', [args, argumentsHash(args)]);
  const [first, other] = [{ to: 'bob@example.com' }, { to: 'eve@example.com' }];
  expect(await approve('max')).toMatchObject({ kind: 'voted', approvals: 1, needed: 2 });
  // Behind the gate's back: whoever changes them by it makes a new round.
  await become(other);
  expect(await approve('max')).toMatchObject({ kind: 'voted', approvals: 1, needed: 2 });
  await become(first);
  expect(await approve('ada')).toMatchObject({ kind: 'voted', approvals: 1, needed: 2 });
  await become(other);
  expect(await approve('ada')).toMatchObject({ kind: 'recorded', decision: { by: 'ada' } });
  const { rows } = await store.db.query('select user_id, arguments_hash from votes where tool_call_id = $1', [
    call.toolCallId,
  ]);
  expect(rows).toContainEqual({ user_id: 'max', arguments_hash: argumentsHash(other) });
});

test('a call that a remembered approval let through, and that is asked about all the same, is under no grant any more', async () => {
  const call = await storedCall(store.db, { gate: 'allow' });
  await set(call, `grant_id = '00000000-0000-7000-8000-000000000000'`);
  const grant = async () =>
    (await store.db.query('select grant_id from tool_calls where id = $1', [call.toolCallId])).rows[0];
  expect(await beginWaiting(store.db, call, { argumentsHash: 'of other arguments' })).toMatchObject({
    kind: 'asked',
    events: [{ frame: { because: 'arguments_changed' } }],
  });
  expect(await grant()).toEqual({ grant_id: null });
});
