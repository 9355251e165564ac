import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readAudit } from '../../src/store/approval-audit.ts';
import { decide } from '../../src/store/decisions.ts';
import { revokeGrant } from '../../src/store/grants.ts';
import { createSession } from '../../src/store/sessions.ts';
import { beginWaiting } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { type WaitingCall, waitingCall } from '../helpers/waiting-call.ts';

/* Remembered approvals that fall between the moment they let a call through and the moment it begins. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-fallen-grants');
});
afterAll(() => store.close());

const session = async () => (await createSession(store.db, { tenant: 't', userId: 'alice' })).id;

/** Asked about, where no grant stands. */
async function call(): Promise<WaitingCall> {
  return waitingCall({ db: store.db, worker: { publish: () => undefined }, session } as never, {
    remember: 'always',
  });
}

async function grantIn({ sessionId, toolCallId }: WaitingCall): Promise<string> {
  const by = { decidedBy: 'alice', via: 'http', approved: true, remember: 'always' } as const;
  await decide(store.db, { sessionId, toolCallId, ...by });
  const { rows } = await store.db.query('select id from grants where tool_call_id = $1', [toolCallId]);
  return rows[0]?.id;
}

/** Begins it, by the rule that `like` waits or waited under. */
async function begin(granted: WaitingCall, like: WaitingCall) {
  const { rows } = await store.db.query('select terms from tool_calls where id = $1', [like.toolCallId]);
  return beginWaiting(store.db, granted, { terms: rows[0]?.terms });
}

const grantOf = async ({ toolCallId }: WaitingCall): Promise<string | null> => {
  const { rows } = await store.db.query('select grant_id from tool_calls where id = $1', [toolCallId]);
  return rows[0]?.grant_id;
};

const revoke = (grantId: string) =>
  revokeGrant(store.db, { tenant: 't', userId: 'alice', grantId, via: 'http', address: null });

test('a call whose grant has fallen runs under another that covers it, and is asked about only where there is none', async () => {
  const [one, two] = [await call(), await call()];
  const [first, second] = [await grantIn(one), await grantIn(two)];
  const [runs, asks] = [await call(), await call()];
  expect([await grantOf(runs), await grantOf(asks)]).toEqual([first, first]);
  await revoke(first);
  expect(await begin(runs, one)).toMatchObject({ kind: 'begin' });
  expect(await grantOf(runs)).toBe(second);
  const audit = await readAudit(store.db, runs.toolCallId);
  expect(audit.map(({ action, actor, body }) => [action, actor, body.grant_id])).toEqual([
    ['ran_under_grant', 'alice', first],
    ['ran_under_grant', 'alice', second],
  ]);
  expect(audit[1]?.body).toMatchObject({ ...audit[0]?.body, grant_id: second });
  await revoke(second);
  expect(await begin(asks, one)).toMatchObject({ kind: 'asked' });
  expect(await grantOf(asks)).toBeNull();
});

test('a grant that stands is kept, also where an older one covers the call again', async () => {
  const [one, two] = [await call(), await call()];
  const [older, newer] = [await grantIn(one), await grantIn(two)];
  await store.db.query('update grants set revoked_at = now() where id = $1', [older]);
  const runs = await call();
  expect(await grantOf(runs)).toBe(newer);
  // As where the giver of the older one left, and came back.
  await store.db.query('update grants set revoked_at = null where id = $1', [older]);
  expect(await begin(runs, one)).toMatchObject({ kind: 'begin' });
  expect(await grantOf(runs)).toBe(newer);
  expect(await readAudit(store.db, runs.toolCallId)).toHaveLength(1);
});
