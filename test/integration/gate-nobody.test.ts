import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import type { GateLevel } from '../../src/protocol/gate-terms.ts';
import { readApproval } from '../../src/store/approvals.ts';
import { readEvents } from '../../src/store/events.ts';
import { createSession } from '../../src/store/sessions.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { type WaitingCall, waitingCall } from '../helpers/waiting-call.ts';

/* Calls that wait for people who are not there: whoever reads the request has to see that. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('gate-nobody');
});
afterAll(() => store.close());

const session = async () => (await createSession(store.db, { tenant: 't', userId: 'alice' })).id;

/** A call of alice's session that waits by these terms. */
async function waiting(level: Partial<GateLevel>, people: Record<string, ParticipantRole> = {}) {
  const harness = { db: store.db, worker: { publish: () => undefined }, session } as never;
  return waitingCall(harness, { levels: [level], people });
}

async function requestOf({ sessionId }: WaitingCall) {
  const events = await readEvents(store.db, { sessionId, after: 0, limit: 100 });
  return events.flatMap(({ frame }) => (frame.type === 'tool_approval_request' ? [frame] : [])).at(-1);
}

const seenBy = async (userId: string, { toolCallId }: WaitingCall) =>
  readApproval(store.db, { toolCallId, tenant: 't', userId });

const approver: GateLevel['approvers'] = { users: [], roles: ['approver'], requester: true };

test('a request that nobody can approve says so, as long as it is so', async () => {
  const call = await waiting({ approvers: approver }, { max: 'member' });
  const nobody = /needs 1 of whoever is approver, and nobody of them takes part in the session\. An owner/;
  expect(await requestOf(call)).toMatchObject({ approvers: [], reason: expect.stringMatching(nobody) });
  expect(await seenBy('alice', call)).toMatchObject({ approvers: [], reason: expect.stringMatching(nobody) });
  await seatParticipants(store.db, call.sessionId, { ada: 'approver' });
  expect(await seenBy('alice', call)).toMatchObject({ approvers: ['ada'], reason: 'not known as read-only' });
});

test('so does one for which too few are there, and one whose approver finds no room in the session', async () => {
  const few = await waiting({ approvers: approver, needed: 3 }, { ada: 'approver', bob: 'approver' });
  expect((await requestOf(few))?.reason).toMatch(
    /needs 3 of whoever is approver, and only 2 of them take part/,
  );
  const enough = await waiting({ approvers: approver, needed: 2 }, { ada: 'approver', bob: 'approver' });
  expect((await requestOf(enough))?.reason).toBe('not known as read-only');

  const crowd = Array.from({ length: 99 }, (_, n) => [`member-${n}`, 'member'] as const);
  const dora: GateLevel['approvers'] = { users: ['dora'], roles: [], requester: true };
  const full = await waiting({ approvers: dora }, Object.fromEntries(crowd));
  expect(await requestOf(full)).toMatchObject({
    approvers: [],
    reason: expect.stringMatching(/needs 1 of dora, and nobody .* the 100 participants that it may have/),
  });
  const room = await waiting({ approvers: dora }, Object.fromEntries(crowd.slice(1)));
  expect(await requestOf(room)).toMatchObject({ approvers: ['dora'], reason: 'not known as read-only' });
});
