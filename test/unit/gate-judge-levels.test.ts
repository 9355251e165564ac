import { describe, expect, test } from '@jest/globals';
import { type GateState, judge, type Saying, type Vote } from '../../src/gate/judge.ts';
import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import type { GateLevel } from '../../src/protocol/gate-terms.ts';

const times = { timeoutMs: null, remindEveryMs: null };
const owners: GateLevel = {
  approvers: { users: [], roles: ['owner'], requester: false },
  needed: 2,
  ...times,
};
const dora: GateLevel = { approvers: { users: ['dora'], roles: [], requester: false }, needed: 1, ...times };

/** Two owners are needed; nobody decided in time, and dora alone is enough. */
function escalated(votes: Vote[] = []): GateState {
  return {
    ...{ status: 'waiting', round: 1, level: 1, requesterId: 'alice', argumentsHash: 'what', toolHash: null },
    terms: { rule: 'payments', remember: 'once', levels: [owners, dora] },
    standing: null,
    votes,
  };
}
const approves = (userId: string, role: ParticipantRole, more: Partial<Saying> = {}): Saying => ({
  ...{ by: { userId, role }, decidedBy: userId, outcome: 'approved', shown: {} },
  ...more,
});
const vote = (userId: string, role: ParticipantRole): Vote => ({ userId, role, argumentsHash: 'what' });

describe('a gate that was escalated to others, of whom fewer are needed', () => {
  test('is decided by one of them, and by as many of the first as were needed before, not by fewer', () => {
    expect(judge(escalated(), approves('dora', 'approver'))).toEqual({ kind: 'decides' });
    const one = { kind: 'votes', approvals: 1, needed: 2 };
    expect(judge(escalated(), approves('otto', 'owner'))).toEqual(one);
    expect(judge(escalated([vote('otto', 'owner')]), approves('olga', 'owner'))).toEqual({ kind: 'decides' });
  });

  test('is not changed by one of the first alone', () => {
    const edit = approves('otto', 'owner', { editedHash: 'something else' });
    expect(judge(escalated(), edit)).toEqual({ kind: 'asks_again', needed: 2 });
  });

  test('is decided by who approved it before and is enough now, when they say it again', () => {
    const before = vote('dora', 'owner');
    expect(judge({ ...escalated([before]), level: 0 }, approves('dora', 'owner'))).toMatchObject({
      kind: 'said_before',
    });
    expect(judge(escalated([before]), approves('dora', 'owner'))).toEqual({ kind: 'decides' });
  });
});

test('the approval of somebody who is a viewer by now counts no more, also where the rule names them', () => {
  const both: GateLevel = { ...dora, approvers: { ...dora.approvers, users: ['dora', 'carol'] }, needed: 2 };
  const gate = { ...escalated([vote('carol', 'viewer')]), level: 0 };
  const judged = judge({ ...gate, terms: { ...gate.terms, levels: [both] } }, approves('dora', 'approver'));
  expect(judged).toEqual({ kind: 'votes', approvals: 1, needed: 2 });
});
