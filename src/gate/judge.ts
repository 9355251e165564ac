import type { ApprovalOutcome, ParticipantRole } from '../protocol/frame-parts.ts';
import type { GateTerms } from '../protocol/gate-terms.ts';
import { approversInWords, mayDecide, neededWith } from './approvers.ts';

/** Asked about this often, something is wrong that no approval mends. */
export const roundsMax = 50;

/** A gate as the store has it, under the session's lock. */
export interface GateState {
  status: string;
  round: number;
  level: number;
  terms: GateTerms;
  requesterId: string;
  /** Of what waits. */
  argumentsHash: string;
  toolHash: string | null;
  /** The deciding row of this round. */
  standing: StandingRow | null;
  /** Approvals of this round that are fewer than needed. */
  votes: Vote[];
}

export interface StandingRow {
  by: string;
  outcome: ApprovalOutcome;
  /** Of what the person was shown; differs from what runs where they changed it. */
  shownHash: string;
  /** Of what runs. */
  argumentsHash: string;
}

export interface Vote {
  userId: string;
  /** null: takes part no more; such a vote counts no more either. */
  role: ParticipantRole | null;
  /** Of what was approved. */
  argumentsHash: string;
}

/** What somebody says of a gate. */
export interface Saying {
  /** A user; or nobody in particular (an operator, the timeout), whom no rule keeps from it. */
  by: { userId: string; role: ParticipantRole } | null;
  /** As it is recorded. */
  decidedBy: string;
  outcome: Exclude<ApprovalOutcome, 'withdrawn'>;
  shown: { argumentsHash?: string | undefined; toolHash?: string | undefined; round?: number | undefined };
  /** Of the arguments that are to run instead, where somebody changed them. */
  editedHash?: string | undefined;
}

export type Judgement =
  /** It decides: the first that does stands. */
  | { kind: 'decides' }
  /** An approval that more have to join. */
  | { kind: 'votes'; approvals: number; needed: number }
  /** What is to run was changed, and more have to approve that: it is asked again, and this is the first approval. */
  | { kind: 'asks_again'; needed: number }
  /** The same person said the same before. */
  | { kind: 'said_before'; approvals: number; needed: number }
  | { kind: 'stands' }
  /** Another decision stands. */
  | { kind: 'conflict' }
  /** What they were shown is not what waits. */
  | { kind: 'stale'; why: string }
  | { kind: 'forbidden'; why: string }
  | { kind: 'not_waiting' };

/**
 * What a saying does to a gate: the whole rule of deciding, in one pure function. A rejection decides alone, an
 * approval when as many as are needed approve the same arguments; the first decision of a round stands.
 */
export function judge(gate: GateState, saying: Saying): Judgement {
  const { standing } = gate;
  if (standing && isSame(standing, saying)) return { kind: 'stands' };
  const vote = gate.votes.find(({ userId }) => userId === saying.by?.userId);
  if (!standing && gate.status === 'waiting' && vote && isRepeated(vote, gate, saying)) {
    const count = countApprovals(gate, null);
    // They may be enough since others were asked; then who says it again decides.
    if (count.approvals < count.needed) return { kind: 'said_before', ...count };
  }
  // One of the approvals that made the decision, sent again.
  if (standing?.outcome === 'approved' && vote && isRepeated(vote, gate, saying)) return { kind: 'stands' };
  const stale = whyStale(gate, saying);
  if (stale !== null) return { kind: 'stale', why: stale };
  if (standing) return { kind: 'conflict' };
  if (gate.status !== 'waiting') return { kind: 'not_waiting' };
  if (saying.by && !mayDecide(gate, saying.by)) {
    return { kind: 'forbidden', why: `The rule "${gate.terms.rule}" lets ${approversInWords(gate)} decide.` };
  }
  if (saying.by === null || saying.outcome !== 'approved') return { kind: 'decides' };
  const needed = neededWith(gate, [saying.by]);
  if (needed <= 1) return { kind: 'decides' };
  if (saying.editedHash !== undefined && saying.editedHash !== gate.argumentsHash) {
    const why = `It was changed and asked about ${roundsMax} times; approve or reject it as it is`;
    return gate.round < roundsMax ? { kind: 'asks_again', needed } : { kind: 'stale', why };
  }
  const count = countApprovals(gate, saying.by);
  return count.approvals >= count.needed ? { kind: 'decides' } : { kind: 'votes', ...count };
}

function isSame(standing: StandingRow, saying: Saying): boolean {
  if (standing.by !== saying.decidedBy || standing.outcome !== saying.outcome) return false;
  const { argumentsHash: shown } = saying.shown;
  if (saying.editedHash !== undefined) return saying.editedHash === standing.argumentsHash;
  return shown === undefined || shown === standing.shownHash || shown === standing.argumentsHash;
}

/** The approval that is counted already, sent again; also the one whose edit made this round. */
function isRepeated(vote: Vote, gate: GateState, saying: Saying): boolean {
  if (saying.outcome !== 'approved') return false;
  const approved = saying.editedHash ?? saying.shown.argumentsHash ?? gate.argumentsHash;
  return approved === vote.argumentsHash;
}

/** Approvals of exactly what waits, by people who still may approve it; and of `by`, where somebody approves it now. */
function countApprovals(gate: GateState, by: Saying['by']): { approvals: number; needed: number } {
  const before = gate.votes.flatMap(({ userId, role, argumentsHash }) => {
    if (role === null || argumentsHash !== gate.argumentsHash || userId === by?.userId) return [];
    return mayDecide(gate, { userId, role }) ? [{ userId, role }] : [];
  });
  const people = by === null ? before : [...before, by];
  return { approvals: people.length, needed: neededWith(gate, people) };
}

function whyStale(gate: GateState, { shown, by }: Saying): string | null {
  // Whoever was shown what a decision changed has lost against that decision, and is told of it.
  const waits = [gate.argumentsHash, gate.standing?.shownHash];
  if (shown.argumentsHash !== undefined && !waits.includes(shown.argumentsHash)) {
    return 'What waits is not what was shown (the arguments differ)';
  }
  if (shown.toolHash !== undefined && gate.toolHash !== null && shown.toolHash !== gate.toolHash) {
    return 'What waits is not what was shown (the tool describes itself differently now)';
  }
  if (shown.round !== undefined && shown.round !== gate.round) return 'It was asked about again meanwhile';
  // A decision that was sent again after a cut must not decide what its sender has never seen.
  if (by !== null && gate.round > 1 && shown.round === undefined) {
    return `It was asked about again, so a decision has to say which round it is about ("round": ${gate.round})`;
  }
  return null;
}
