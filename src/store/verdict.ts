import type { RememberScope } from '../protocol/client-frames.ts';
import type { ApprovalOutcome } from '../protocol/frame-parts.ts';
import type { StandingDecision } from '../protocol/live-frames.ts';
import { writeAudit } from './approval-audit.ts';
import type { Tx } from './db.ts';
import type { StoredEvent } from './events.ts';
import type { GateRow } from './gate-rows.ts';

export interface Verdict {
  sessionId: string;
  toolCallId: string;
  outcome: Exclude<ApprovalOutcome, 'withdrawn'>;
  /** Who decided: a user's id, `operator`, or `turngate` for the timeout. */
  decidedBy: string;
  /** From where: `websocket`, `http`, `signal`, `timeout`; and the client's address. */
  via: string;
  address?: string | null | undefined;
  reason?: string | undefined;
  /** What is to run instead of what was asked for. */
  arguments?: Record<string, unknown> | undefined;
  remember?: RememberScope | undefined;
  /** What the person was shown. */
  argumentsHash?: string | undefined;
  toolHash?: string | undefined;
  round?: number | undefined;
  /**
   * Told when this decides, while it is being written, of what nobody can count on yet: it is good for nothing but waking
   * whoever looks at the row. They wait for the session's lock, and with it for the commit.
   */
  onDeciding?: ((deciding: { decisionId: string; turnId: string }) => void) | undefined;
}

export type Decided =
  | {
      kind: 'recorded';
      decisionId: string;
      turnId: string;
      decision: StandingDecision;
      events: StoredEvent[];
    }
  /** One of several approvals that are needed. */
  | { kind: 'voted'; turnId: string; approvals: number; needed: number; events: StoredEvent[] }
  | { kind: 'conflict'; decision: StandingDecision };

/** Puts on record what somebody did, with what exactly it was about. */
export async function auditVerdict(
  tx: Tx,
  verdict: Verdict,
  row: GateRow,
  action: Parameters<typeof writeAudit>[1]['action'],
  more: Record<string, unknown>,
): Promise<void> {
  const { round, rule } = row;
  const hashes = { arguments_hash: row.arguments_hash, tool_hash: row.tool_hash };
  await writeAudit(tx, {
    sessionId: row.session_id,
    toolCallId: row.id,
    actor: verdict.decidedBy,
    via: verdict.via,
    address: verdict.address,
    action,
    body: { round, rule, policy_revision: row.policy_revision, ...hashes, ...more },
  });
}
