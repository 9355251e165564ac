import { termsOf } from '../gate/approvers.ts';
import { type Judgement, judge } from '../gate/judge.ts';
import { PublicError } from '../protocol/errors.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { toRun } from './decision-edit.ts';
import { insertDecision, toStanding } from './decision-write.ts';
import {
  type DecisionRow,
  findDecision,
  findGate,
  findVotes,
  type GateRow,
  toGateState,
} from './gate-rows.ts';
import { checkRight } from './participants.ts';
import type { Decided, Verdict } from './verdict.ts';
import { askAgain, vote, voted } from './votes.ts';

type PersonsVerdict = Omit<Verdict, 'outcome'> & { approved: boolean };

/**
 * A participant's decision on one tool call; see {@link recordVerdict}.
 * @throws PublicError as it does, and `forbidden` (their role may not, or the rule does not let them)
 */
export async function decide(db: Db, decision: PersonsVerdict): Promise<Decided> {
  const { approved, ...rest } = decision;
  const { sessionId, decidedBy: userId } = decision;
  return record(db, { ...rest, outcome: approved ? 'approved' : 'rejected' }, (tx) =>
    checkRight(tx, { sessionId, userId }, 'decide'),
  );
}

/**
 * Writes what somebody says of a tool call: the first decision of a round stands, whoever comes second. With it goes
 * `tool_approval_resolved`, and unless approved the call's result, all in one transaction. Here nobody is asked who
 * they are: operators and timeouts are not bound to a rule's approvers.
 * @throws PublicError `not_found` (no such call here), `conflict` (something else waits than what was shown, or
 * the call never waited), `validation_error` (changed arguments do not fit the tool)
 */
export async function recordVerdict(db: Db, verdict: Verdict): Promise<Decided> {
  return record(db, verdict, null);
}

/** @param check whether they may; asked under the session's lock */
async function record(db: Db, verdict: Verdict, check: ((tx: Tx) => Promise<void>) | null): Promise<Decided> {
  return transaction(db, async (tx): Promise<Decided> => {
    const { sessionId, toolCallId, decidedBy } = verdict;
    const [, , row, standing, votes] = await Promise.all([
      lockSession(tx, sessionId),
      check?.(tx),
      findGate(tx, { sessionId, toolCallId, userId: decidedBy }),
      findDecision(tx, toolCallId),
      findVotes(tx, toolCallId),
    ]);
    if (!row) throw new PublicError('not_found', 'There is no such tool call in this session.');
    const runs = await toRun(tx, verdict, row);
    const judgement = judge(toGateState(row, standing, votes), {
      by: check && row.role ? { userId: decidedBy, role: row.role } : null,
      decidedBy,
      outcome: verdict.outcome,
      shown: verdict,
      editedHash: verdict.arguments && runs.arguments_hash,
    });
    if (check && countsAs.has(judgement.kind) && isTooLate(row, verdict)) return expire(tx, verdict, row);
    switch (judgement.kind) {
      case 'stands':
        return standing ? repeat(row, standing) : fault();
      case 'said_before':
        return voted(row, judgement, []);
      case 'conflict':
        return standing ? { kind: 'conflict', decision: toStanding(row, standing) } : fault();
      case 'stale':
        throw new PublicError('conflict', `${judgement.why}; look at the call again and decide anew.`);
      case 'forbidden':
        throw new PublicError('forbidden', judgement.why);
      case 'not_waiting':
        throw new PublicError('conflict', 'This tool call does not wait for an approval.');
      case 'votes':
        return vote(tx, verdict, row, { approvals: judgement.approvals, needed: judgement.needed });
      case 'asks_again':
        return askAgain(tx, verdict, row, runs, judgement.needed);
      case 'decides':
        return insertDecision(tx, verdict, row, runs);
    }
  });
}

/** What makes a saying an approval. */
const countsAs: ReadonlySet<Judgement['kind']> = new Set(['decides', 'votes', 'asks_again']);

/** An approval after the gate's time: its run would have let it expire, and has not come to that yet. */
function isTooLate(row: GateRow, { outcome }: Verdict): boolean {
  const isLastLevel = row.level + 1 >= termsOf(row).levels.length;
  return outcome === 'approved' && isLastLevel && row.expires_at !== null && row.expires_at <= row.now;
}

/** Its run is told by the reconciler. */
async function expire(tx: Tx, { sessionId, toolCallId }: Verdict, row: GateRow): Promise<Decided> {
  const by = { decidedBy: 'turngate', via: 'timeout', outcome: 'expired' } as const;
  const decided = await insertDecision(tx, { sessionId, toolCallId, ...by }, row, row);
  return decided.kind === 'recorded' ? { kind: 'conflict', decision: decided.decision } : decided;
}

function fault(): never {
  throw new Error('A gate was judged by a decision that is not there.');
}

function repeat(row: GateRow, standing: DecisionRow): Decided {
  const decision = toStanding(row, standing);
  return { kind: 'recorded', decisionId: standing.id, turnId: row.turn_id, decision, events: [] };
}
