import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { termsOf } from '../../src/gate/approvers.ts';
import { termsHash, toolHash } from '../../src/gate/hashes.ts';
import type { GateLevel } from '../../src/protocol/gate-terms.ts';
import { readAudit } from '../../src/store/approval-audit.ts';
import { transaction } from '../../src/store/db.ts';
import { decide } from '../../src/store/decisions.ts';
import { findGrant, type GrantedCall, revokeGrant } from '../../src/store/grants.ts';
import { createSession } from '../../src/store/sessions.ts';
import { tendGate } from '../../src/store/tend-gate.ts';
import { storedCall } from '../helpers/begin-call.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { mailTool, type WaitingCall } from '../helpers/waiting-call.ts';

/* What a remembered approval is bound to, one thing at a time: on the real store. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('grant-bounds');
});
afterAll(() => store.close());
// So that each test begins without any.
afterEach(() => store.db.query('update grants set revoked_at = now()'));

const find = (call: GrantedCall) => transaction(store.db, (tx) => findGrant(tx, call));

async function remember(call: WaitingCall, by: string, scope: 'session' | 'always', approved = true) {
  const { sessionId, toolCallId } = call;
  const verdict = { decidedBy: by, approved, via: 'http', remember: scope };
  return decide(store.db, { sessionId, toolCallId, ...verdict });
}

/** A call as the one that waits. */
async function likeness({ sessionId, toolCallId }: WaitingCall): Promise<GrantedCall> {
  const { rows } = await store.db.query('select terms, rule from tool_calls where id = $1', [toolCallId]);
  const terms = termsOf(rows[0]);
  const what = { toolHash: toolHash(mailTool), policyRevision: 'of-a-test' };
  return { sessionId, requesterId: 'alice', terms, termsHash: termsHash(terms), ...what };
}

const inTenant = async (tenant: string) => (await createSession(store.db, { tenant, userId: 'alice' })).id;

test('a grant is for one user, tool, rule, revision and tenant, and for its session or for all', async () => {
  const [once, always] = [
    await storedCall(store.db, { remember: 'session' }),
    await storedCall(store.db, { remember: 'always' }),
  ];
  await remember(once, 'alice', 'session');
  const inSession = await likeness(once);
  expect(await find(inSession)).toMatchObject({ scope: 'session', grantedBy: 'alice' });
  expect(await find({ ...inSession, sessionId: always.sessionId })).toBeNull();

  await remember(always, 'alice', 'always');
  const like = await likeness(always);
  expect(await find(like)).toMatchObject({ scope: 'always' });
  expect(await find({ ...like, sessionId: await inTenant('t') })).toMatchObject({ scope: 'always' });
  expect(await find({ ...like, sessionId: await inTenant('another') })).toBeNull();
  for (const other of [
    { requesterId: 'bob' },
    { toolHash: 'of another' },
    { termsHash: 'of others' },
    { policyRevision: 'another' },
  ]) {
    expect(await find({ ...like, ...other })).toBeNull();
  }
});

test('an approval by those who were asked later is remembered for nothing that the first have to decide', async () => {
  const dora: Partial<GateLevel> = { approvers: { users: ['dora'], roles: [], requester: false } };
  const owner: Partial<GateLevel> = { approvers: { users: [], roles: ['owner'], requester: true } };
  const both: Partial<GateLevel> = { approvers: { users: ['dora'], roles: ['owner'], requester: true } };
  for (const first of [owner, { ...both, needed: 2 }]) {
    const call = await storedCall(store.db, { levels: [first, dora], remember: 'always' });
    await store.db.query('update tool_calls set expires_at = now() where id = $1', [call.toolCallId]);
    expect(await tendGate(store.db, call)).toMatchObject({ kind: 'waiting', call: { level: 1 } });
    expect(await remember(call, 'dora', 'always')).toMatchObject({ kind: 'recorded' });
    expect(await find(await likeness(call))).toBeNull();
  }
});

test('what is given and taken back is on record, once', async () => {
  const call = await storedCall(store.db, { remember: 'session' });
  await remember(call, 'alice', 'session');
  const { id: grantId } = (await find(await likeness(call))) ?? { id: '' };
  const revoke = { tenant: 't', userId: 'alice', grantId, via: 'http', address: '192.0.2.1' };
  for (const _twice of [1, 2]) await revokeGrant(store.db, revoke);
  expect(await find(await likeness(call))).toBeNull();
  const audit = await readAudit(store.db, call.toolCallId);
  expect(audit.map(({ action }) => action).toSorted()).toEqual([
    'approved',
    'asked',
    'grant_revoked',
    'granted',
  ]);
  const about = { grant_id: grantId };
  const given = { actor: 'alice', body: { ...about, scope: 'session', for_user: 'alice' } };
  expect(audit.find(({ action }) => action === 'granted')).toMatchObject(given);
  const taken = { actor: 'alice', address: '192.0.2.1', body: about };
  expect(audit.find(({ action }) => action === 'grant_revoked')).toMatchObject(taken);
});

test('neither a rejection is remembered, nor what several have to approve each time', async () => {
  const one = await storedCall(store.db, { remember: 'always' });
  const fault = { code: 'validation_error', message: expect.stringContaining('remember') };
  await expect(remember(one, 'alice', 'always', false)).rejects.toMatchObject(fault);
  const people = { max: 'member' } as const;
  const two = await storedCall(store.db, { remember: 'always', levels: [{ needed: 2 }], people });
  await remember(two, 'max', 'always');
  await expect(remember(two, 'alice', 'always')).rejects.toMatchObject(fault);
});
