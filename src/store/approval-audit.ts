import { v7 as uuidv7 } from 'uuid';
import type { AuditEntry } from '../protocol/approvals.ts';
import type { Db, Tx } from './db.ts';

/** What somebody did to the approval of a call. */
export interface AuditRecord {
  sessionId: string;
  toolCallId: string;
  /** A user's id, `operator`, or `turngate`. */
  actor: string;
  /** `websocket`, `http`, `signal`, `timeout`, `policy`, `turn_end`. */
  via: string;
  /** The client's address, where there is one. */
  address?: string | null | undefined;
  action: AuditEntry['action'];
  /** What exactly: hashes, arguments, reason, round. */
  body: Record<string, unknown>;
}

/** Written with what it tells, in one transaction; nothing changes it afterwards. */
export async function writeAudit(tx: Tx, record: AuditRecord): Promise<void> {
  await tx.query({
    name: 'write-approval-audit',
    text: `insert into approval_audit (id, session_id, tool_call_id, actor, via, address, action, body)
           values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    values: [
      uuidv7(),
      record.sessionId,
      record.toolCallId,
      record.actor,
      record.via,
      record.address ?? null,
      record.action,
      JSON.stringify(record.body),
    ],
  });
}

/** All that was done to a call's approval, in order. */
export async function readAudit(db: Db | Tx, toolCallId: string): Promise<AuditEntry[]> {
  const { rows } = await db.query<AuditEntry>({
    name: 'read-approval-audit',
    text: `select at, actor, via, address, action, body from approval_audit where tool_call_id = $1 order by id`,
    values: [toolCallId],
  });
  return rows;
}
