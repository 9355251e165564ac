import { termsOf } from '../gate/approvers.ts';
import type { GateState, StandingRow, Vote } from '../gate/judge.ts';
import type { ApprovalOutcome, ParticipantRole } from '../protocol/frame-parts.ts';
import type { GateTerms } from '../protocol/gate-terms.ts';
import type { Asking } from './ask-people.ts';
import type { Db, Tx } from './db.ts';
import type { ClosingCall } from './tool-call-close.ts';

/** A call at its gate, with what is needed to judge what somebody says of it. */
export interface GateRow extends ClosingCall {
  tenant: string;
  status: string;
  tool: string;
  arguments: Record<string, unknown>;
  arguments_hash: string;
  tool_hash: string | null;
  terms: GateTerms | null;
  terms_hash: string | null;
  policy_revision: string | null;
  rule: string;
  reason: string;
  round: number;
  level: number;
  reminded: number;
  timeout_ms: number;
  expires_at: number | null;
  proposed_arguments: Record<string, unknown> | null;
  /** How often it was begun. */
  attempt: number;
  repeatable: boolean;
  read_only: boolean;
  /** An attempt before the last was sent and lost. */
  was_lost: boolean;
  /** The last attempt could not be sent. */
  is_unsent: boolean;
  /** The last attempt has asked people something, and was not given an answer. */
  stands_at_question: boolean;
  requester_id: string;
  /** The transaction's time: when what it writes was decided. */
  now: number;
  /** Of whoever speaks; null where they take no part. */
  role: ParticipantRole | null;
}

/** Of a call `c`. */
export const isUnsent = 'coalesce(c.unsent_attempt = c.attempt, false) as is_unsent';
/** Of a call `c`. */
export const standsAtQuestion = `exists (select 1 from input_requests q where q.tool_call_id = c.id
  and q.standing_attempt = c.attempt and q.acted_at is null) as stands_at_question`;

/** @param who.userId whoever speaks */
export async function findGate(
  tx: Db | Tx,
  who: { sessionId: string; toolCallId: string; userId: string },
): Promise<GateRow | undefined> {
  const { rows } = await tx.query<GateRow>({
    name: 'find-gate',
    text: `select c.id, c.session_id, c.turn_id, c.step, c.ordinal, c.status, c.tool, c.arguments, c.arguments_hash,
             c.tool_hash, c.terms, c.terms_hash, c.policy_revision, c.rule, c.reason, c.round, c.level, c.reminded,
             c.timeout_ms, c.expires_at, c.proposed_arguments, c.attempt, c.repeatable, c.read_only, c.was_lost,
             ${isUnsent}, ${standsAtQuestion}, t.position, t.user_id as requester_id, s.tenant, p.role, now() as now
           from tool_calls c join turns t on t.id = c.turn_id join sessions s on s.id = c.session_id
           left join participants p on p.session_id = c.session_id and p.user_id = $3
           where c.id = $1 and c.session_id = $2`,
    values: [who.toolCallId, who.sessionId, who.userId],
  });
  return rows[0];
}

export interface DecisionRow {
  id: string;
  decision: ApprovalOutcome;
  decided_by: string;
  reason: string | null;
  at: number;
  arguments_hash: string;
  shown_hash: string | null;
}

/** The deciding row of the round that the call is in. */
export async function findDecision(tx: Db | Tx, toolCallId: string): Promise<DecisionRow | undefined> {
  const { rows } = await tx.query<DecisionRow>({
    name: 'find-decision',
    text: `select d.id, d.decision, d.decided_by, d.reason, d.decided_at as at, d.arguments_hash, d.shown_hash
           from decisions d join tool_calls c on c.id = d.tool_call_id and c.round = d.round
           where d.tool_call_id = $1`,
    values: [toolCallId],
  });
  return rows[0];
}

export interface VoteRow {
  user_id: string;
  role: ParticipantRole | null;
  arguments_hash: string;
  at: number;
}

/** The approvals of the round that the call is in, each with its giver's role of now. */
export async function findVotes(tx: Db | Tx, toolCallId: string): Promise<VoteRow[]> {
  const { rows } = await tx.query<VoteRow>({
    name: 'find-votes',
    text: `select v.user_id, p.role, v.arguments_hash, v.voted_at as at
           from votes v join tool_calls c on c.id = v.tool_call_id and c.round = v.round
           left join participants p on p.session_id = c.session_id and p.user_id = v.user_id
           where v.tool_call_id = $1 order by v.voted_at, v.user_id`,
    values: [toolCallId],
  });
  return rows;
}

/** The rows as {@link GateState} for `judge`. */
export function toGateState(row: GateRow, decision: DecisionRow | undefined, votes: VoteRow[]): GateState {
  return {
    status: row.status,
    round: row.round,
    level: row.level,
    terms: termsOf(row),
    requesterId: row.requester_id,
    argumentsHash: row.arguments_hash,
    toolHash: row.tool_hash,
    standing: decision ? toStandingRow(decision) : null,
    votes: votes.map(
      (vote): Vote => ({ userId: vote.user_id, role: vote.role, argumentsHash: vote.arguments_hash }),
    ),
  };
}

function toStandingRow(row: DecisionRow): StandingRow {
  return {
    by: row.decided_by,
    outcome: row.decision,
    shownHash: row.shown_hash ?? row.arguments_hash,
    argumentsHash: row.arguments_hash,
  };
}

/** The call of a row, as it is to be asked about. */
export function toAsking(row: GateRow): Asking {
  return {
    toolCallId: row.id,
    sessionId: row.session_id,
    turnId: row.turn_id,
    requesterId: row.requester_id,
    tool: row.tool,
    arguments: row.arguments,
    argumentsHash: row.arguments_hash,
    toolHash: row.tool_hash,
    reason: row.reason,
    terms: termsOf(row),
    policyRevision: row.policy_revision,
    timeoutMs: row.timeout_ms,
    round: row.round,
    level: row.level,
  };
}
