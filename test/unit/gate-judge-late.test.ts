import { describe, expect, test } from '@jest/globals';
import { type GateState, judge, type Saying } from '../../src/gate/judge.ts';

const approvers = { users: [], roles: ['owner', 'member'] as const, requester: true };
/** Two are needed; alice and bob approved, and one of them had changed the arguments. */
const decided: GateState = {
  status: 'ready',
  round: 1,
  level: 0,
  terms: {
    rule: 'two',
    remember: 'once',
    levels: [
      {
        approvers: { ...approvers, roles: [...approvers.roles] },
        needed: 2,
        timeoutMs: null,
        remindEveryMs: null,
      },
    ],
  },
  requesterId: 'alice',
  argumentsHash: 'edited',
  toolHash: null,
  standing: { by: 'bob', outcome: 'approved', shownHash: 'shown', argumentsHash: 'edited' },
  votes: [{ userId: 'alice', role: 'owner', argumentsHash: 'shown' }],
};

function say(userId: string, more: Partial<Saying>): Saying {
  return { by: { userId, role: 'member' }, decidedBy: userId, outcome: 'approved', shown: {}, ...more };
}

describe('who comes after a decision', () => {
  test('and was shown what it changed is told that it stands, not that something else waits', () => {
    const late = say('carol', { outcome: 'rejected', shown: { argumentsHash: 'shown' } });
    expect(judge(decided, late)).toEqual({ kind: 'conflict' });
    const stranger = say('carol', { outcome: 'rejected', shown: { argumentsHash: 'something else' } });
    expect(judge(decided, stranger)).toMatchObject({ kind: 'stale' });
  });

  test('and was one of those whose approvals made it hears that it stands, when the ack of theirs was lost', () => {
    expect(judge(decided, say('alice', { shown: { argumentsHash: 'shown' } }))).toEqual({ kind: 'stands' });
    const changed = say('alice', { outcome: 'rejected', shown: { argumentsHash: 'shown' } });
    expect(judge(decided, changed)).toEqual({ kind: 'conflict' });
  });
});
