import type { ToolDefinition } from '../gate/hashes.ts';
import type { GateDecision, ParticipantRole } from '../protocol/frame-parts.ts';
import type { GateTerms } from '../protocol/gate-terms.ts';
import type { TurnLimits } from '../protocol/turn-limits.ts';
import type { CallStatus } from './call-status.ts';
import type { Db, Tx } from './db.ts';
import { type GateRow, isUnsent, standsAtQuestion } from './gate-rows.ts';

/** A call as it stands in the ledger, before it may run. */
export interface LedgerCall {
  toolCallId: string;
  turnId: string;
  tool: string;
  arguments: Record<string, unknown>;
  /** Whose message led to it, and what they are in the session (null: they take part no more). */
  requester: { id: string; role: ParticipantRole | null };
  agent: string;
  tenant: string;
  /** Whether a person changed the arguments. */
  isEdited: boolean;
}

/** What is about to run, looked at immediately before: computed anew, not taken from the ledger. */
export interface Inspection {
  argumentsHash: string;
  /** null: no server has this tool. */
  toolHash: string | null;
  definition: ToolDefinition | null;
  gate: GateDecision;
  rule: string;
  reason: string;
  /** Of a rule that asks. */
  terms: GateTerms | null;
  policyRevision: string;
  /** Whether it could be sent again where its result is lost, and has no effect; null: its server cannot be asked. */
  repeatability: { repeatable: boolean; readOnly: boolean } | null;
  /** Why the tool's server cannot be asked what the tool is; then nothing is known of it, and it cannot run. */
  unavailable: string | null;
  /** Why arguments that a person changed do not fit the tool as it is now, in a sentence; null: they do. */
  misfit: string | null;
}

/** What others than the store say of a call that is about to begin. */
export interface Look {
  limits: TurnLimits;
  /** Looks at what is about to run. Pure. */
  inspect(call: LedgerCall): Inspection;
}

export interface LedgerRow extends GateRow {
  gate: GateDecision;
  status: CallStatus;
  leased_ms: number;
  agent: string;
  grant_id: string | null;
  /** Of the approval of this round: what it is for. */
  approved_hash: string | null;
  approved_tool: string | null;
  approved_terms: string | null;
  turn_status: string;
  turn_run_id: string;
  cancel_requested: boolean;
  limit_key: string | null;
}

export async function findLedgerRow(
  tx: Tx,
  call: { toolCallId: string; sessionId: string },
): Promise<LedgerRow | undefined> {
  const { rows } = await tx.query<LedgerRow>({
    name: 'find-ledger-row',
    text: `select c.id, c.session_id, c.turn_id, c.step, c.ordinal, c.tool, c.arguments, c.arguments_hash, c.tool_hash,
         c.gate, c.rule, c.reason, c.terms, c.terms_hash, c.policy_revision, c.round, c.level, c.reminded, c.timeout_ms,
         c.expires_at, c.proposed_arguments, c.grant_id, c.status, c.attempt, c.repeatable, c.read_only, c.was_lost, t.position,
         t.status as turn_status, t.run_id as turn_run_id, t.cancel_requested_at is not null as cancel_requested,
         ${isUnsent}, ${standsAtQuestion},
         t.limit_key, t.user_id as requester_id, p.role, s.agent, s.tenant, now() as now,
         coalesce(ceil(extract(epoch from c.lease_until - clock_timestamp()) * 1000), 0)::int as leased_ms,
         d.arguments_hash as approved_hash, d.tool_hash as approved_tool, d.terms_hash as approved_terms
       from tool_calls c join turns t on t.id = c.turn_id join sessions s on s.id = c.session_id
       left join participants p on p.session_id = c.session_id and p.user_id = t.user_id
       left join decisions d on d.tool_call_id = c.id and d.round = c.round and d.decision = 'approved'
       where c.id = $1 and c.session_id = $2`,
    values: [call.toolCallId, call.sessionId],
  });
  return rows[0];
}

export function toLedgerCall(row: LedgerRow): LedgerCall {
  return {
    toolCallId: row.id,
    turnId: row.turn_id,
    tool: row.tool,
    arguments: row.arguments,
    requester: { id: row.requester_id, role: row.role },
    agent: row.agent,
    tenant: row.tenant,
    isEdited: row.proposed_arguments !== null,
  };
}

/** For runs of older versions, which do not say it. */
export async function toolOfCall(db: Db, toolCallId: string): Promise<string> {
  const { rows } = await db.query<{ tool: string }>({
    name: 'tool-of-call',
    text: 'select tool from tool_calls where id = $1',
    values: [toolCallId],
  });
  return rows[0]?.tool ?? '';
}
