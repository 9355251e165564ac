import { v7 as uuidv7 } from 'uuid';
import type { LateResultView } from '../protocol/approvals.ts';
import type { ErrorBody } from '../protocol/errors.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';
import type { NewEvent } from './events.ts';

export interface LateResult {
  toolCallId: string;
  turnId: string;
  attempt: number;
  status: EventBody<'tool_late_result'>['status'];
  result: unknown;
  error: ErrorBody | null;
}

/** Keeps what an attempt brought after it had been given up, once. The ledger stays as it is. */
export async function keepLateResult(tx: Tx, late: LateResult): Promise<NewEvent[]> {
  const { toolCallId, turnId, attempt, status, error } = late;
  const result = (late.result ?? null) as EventBody<'tool_late_result'>['result'];
  const { rowCount } = await tx.query({
    name: 'keep-late-result',
    text: `insert into late_results (id, tool_call_id, attempt, status, result, error)
           values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
    values: [uuidv7(), toolCallId, attempt, status, JSON.stringify(result), error && JSON.stringify(error)],
  });
  if (rowCount !== 1) return [];
  const body = { tool_call_id: toolCallId, attempt, status, result, error };
  return [{ key: `tool_late_result:${toolCallId}:${attempt}`, type: 'tool_late_result', turnId, body }];
}

/** What came late of one call, the first attempt first. */
export async function readLateResults(db: Db, toolCallId: string): Promise<LateResultView[]> {
  const { rows } = await db.query<LateResultView>({
    name: 'read-late-results',
    text: `select attempt, status, result, error, came_at as at from late_results
           where tool_call_id = $1 order by attempt`,
    values: [toolCallId],
  });
  return rows;
}
