import { describe, expect, test } from '@jest/globals';
import { type GateState, type Judgement, judge, roundsMax, type Saying } from '../../src/gate/judge.ts';

/** Every word of the rule of deciding, one at a time: alice asked, and any owner, member or approver but her may decide. */
function waits(needed: number, more: Partial<GateState> = {}): GateState {
  const approvers: GateState['terms']['levels'][number]['approvers'] = {
    users: [],
    roles: ['owner', 'member', 'approver'],
    requester: false,
  };
  return {
    ...{
      status: 'waiting',
      round: 1,
      level: 0,
      requesterId: 'alice',
      argumentsHash: 'args',
      toolHash: 'tool',
    },
    terms: {
      rule: 'r',
      remember: 'once',
      levels: [{ approvers, needed, timeoutMs: null, remindEveryMs: null }],
    },
    standing: null,
    votes: [],
    ...more,
  };
}

const says = (userId: string, more: Partial<Saying> = {}): Saying => ({
  ...{ by: { userId, role: 'member' }, decidedBy: userId, outcome: 'approved', shown: {} },
  ...more,
});
const vote = (userId: string, argumentsHash = 'args') => ({ userId, role: 'member', argumentsHash }) as const;
const nobody = (outcome: 'approved' | 'expired'): Saying => ({
  ...{ by: null, decidedBy: 'operator', outcome, shown: {} },
});
const decided: Partial<GateState> = {
  status: 'ready',
  standing: { by: 'bob', outcome: 'approved', shownHash: 'shown', argumentsHash: 'args' },
};

type Case = [string, GateState, Saying, Judgement['kind']];
const cases: Record<string, Case[]> = {
  'who decides': [
    ['one, where one is needed', waits(1), says('bob'), 'decides'],
    ['one of two, where two are needed, does not', waits(2), says('bob'), 'votes'],
    ['the second of two', waits(2, { votes: [vote('carol')] }), says('bob'), 'decides'],
    ['the second of three does not', waits(3, { votes: [vote('carol')] }), says('bob'), 'votes'],
    ['one who rejects, alone', waits(3), says('bob', { outcome: 'rejected' }), 'decides'],
    ['an operator, alone', waits(3), nobody('approved'), 'decides'],
    ['the timeout, alone', waits(3), nobody('expired'), 'decides'],
    ['not whom the rule leaves out', waits(1), says('alice'), 'forbidden'],
    ['nor to reject', waits(1), says('alice', { outcome: 'rejected' }), 'forbidden'],
    ['nobody, where nothing waits', waits(1, { status: 'running' }), says('bob'), 'not_waiting'],
  ],
  'whose approvals count': [
    ['not the same one twice', waits(2, { votes: [vote('bob')] }), says('bob'), 'said_before'],
    ['not of other arguments', waits(2, { votes: [vote('carol', 'others')] }), says('bob'), 'votes'],
    [
      'not one of their own for other arguments, given anew',
      waits(2, { votes: [vote('bob', 'others')] }),
      says('bob'),
      'votes',
    ],
    [
      'not of somebody whom the rule leaves out by now',
      waits(2, { votes: [vote('alice')] }),
      says('bob'),
      'votes',
    ],
    [
      'not of somebody who left',
      waits(2, { votes: [{ ...vote('carol'), role: null }] }),
      says('bob'),
      'votes',
    ],
    [
      'and who approved may still reject',
      waits(2, { votes: [vote('bob')] }),
      says('bob', { outcome: 'rejected' }),
      'decides',
    ],
  ],
  'what was changed': [
    ['runs, where one is needed', waits(1), says('bob', { editedHash: 'edited' }), 'decides'],
    ['has to be seen by the others', waits(2), says('bob', { editedHash: 'edited' }), 'asks_again'],
    ['is as it was', waits(2), says('bob', { editedHash: 'args' }), 'votes'],
    [
      'very often is changed no more',
      waits(2, { round: roundsMax }),
      says('bob', { editedHash: 'edited', shown: { round: roundsMax } }),
      'stale',
    ],
  ],
  'what was shown': [
    [
      'is what waits',
      waits(1),
      says('bob', { shown: { argumentsHash: 'args', toolHash: 'tool', round: 1 } }),
      'decides',
    ],
    ['are other arguments', waits(1), says('bob', { shown: { argumentsHash: 'others' } }), 'stale'],
    ['is another tool', waits(1), says('bob', { shown: { toolHash: 'other' } }), 'stale'],
    ['is another round', waits(1), says('bob', { shown: { round: 2 } }), 'stale'],
    ['has to be said of a later round', waits(1, { round: 2 }), says('bob'), 'stale'],
    ['but not by operators', waits(1, { round: 2 }), nobody('approved'), 'decides'],
  ],
  'what comes after a decision': [
    ['the same again', waits(1, decided), says('bob'), 'stands'],
    [
      'the same again, of what was shown',
      waits(1, decided),
      says('bob', { shown: { argumentsHash: 'shown' } }),
      'stands',
    ],
    ['the same change again', waits(1, decided), says('bob', { editedHash: 'args' }), 'stands'],
    ['another change', waits(1, decided), says('bob', { editedHash: 'edited' }), 'conflict'],
    ['the opposite', waits(1, decided), says('bob', { outcome: 'rejected' }), 'conflict'],
    ['the same by somebody else', waits(1, decided), says('carol'), 'conflict'],
    [
      'one of the approvals that made it, of other arguments than were approved',
      waits(2, { ...decided, votes: [vote('carol')] }),
      says('carol', { shown: { argumentsHash: 'shown' } }),
      'conflict',
    ],
  ],
};

describe.each(Object.entries(cases))('%s:', (_what, all) => {
  test.each(all)('%s', (_name, gate, saying, kind) => {
    expect(judge(gate, saying).kind).toBe(kind);
  });
});
