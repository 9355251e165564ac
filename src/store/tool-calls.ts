import type { ErrorBody } from '../protocol/errors.ts';
import type { ToolResultStatus } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type StoredEvent } from './events.ts';
import { type CallClosing, type ClosingCall, closeCall } from './tool-call-close.ts';

/** A call as it stands in the ledger, before it may run. */
export interface LedgerCall {
  toolCallId: string;
  turnId: string;
  tool: string;
  arguments: Record<string, unknown>;
}

export type CallBeginning =
  | { kind: 'begin'; call: LedgerCall; attempt: number; repeatable: boolean; events: StoredEvent[] }
  /** The call has its result (perhaps since just now). */
  | { kind: 'closed'; status: ToolResultStatus; events: StoredEvent[] }
  /** No decision for exactly these arguments. */
  | { kind: 'undecided' }
  /** An earlier attempt may still be running for this long, milliseconds. */
  | { kind: 'leased'; forMs: number }
  /** The turn has ended or belongs to another run. */
  | { kind: 'refused' };

interface Beginning {
  sessionId: string;
  toolCallId: string;
  runId: string;
  leaseMs: number;
  /** Looks at what is about to run: its hash, and whether policy denies it now. Pure. */
  inspect(call: LedgerCall): { argumentsHash: string; denied: string | null };
}

interface LedgerRow extends ClosingCall {
  tool: string;
  arguments: Record<string, unknown>;
  arguments_hash: string;
  gate: string;
  status: 'waiting' | 'ready' | 'running' | ToolResultStatus;
  attempt: number;
  repeatable: boolean;
  leased_ms: number;
  approved: boolean;
  turn_status: string;
  turn_run_id: string;
  cancel_requested: boolean;
}

/**
 * Commits the intent to run a call, immediately before its request is written: only when it was allowed, or approved
 * for exactly these arguments, and policy does not deny it now. A call whose earlier attempt left an intent without a
 * result runs again only if it is repeatable; any other becomes `unknown`, once nothing of it can be running.
 */
export async function beginCall(db: Db, beginning: Beginning): Promise<CallBeginning> {
  return transaction(db, async (tx) => {
    const [, row] = await Promise.all([lockSession(tx, beginning.sessionId), findLedgerRow(tx, beginning)]);
    if (!row) return { kind: 'refused' };
    if (row.status !== 'waiting' && row.status !== 'ready' && row.status !== 'running') {
      await markActed(tx, row.id);
      return { kind: 'closed', status: row.status, events: [] };
    }
    if (row.turn_status !== 'running' || row.turn_run_id !== beginning.runId) return { kind: 'refused' };
    const call = { toolCallId: row.id, turnId: row.turn_id, tool: row.tool, arguments: row.arguments };
    const { argumentsHash, denied } = beginning.inspect(call);
    const decided = row.gate === 'allow' || row.approved;
    if (!decided || argumentsHash !== row.arguments_hash) return { kind: 'undecided' };
    await markActed(tx, row.id);
    if (row.status === 'running') {
      if (row.leased_ms > 0) return { kind: 'leased', forMs: row.leased_ms };
      if (!row.repeatable) return close(tx, row, lostResult);
    }
    if (row.cancel_requested) return close(tx, row, cancelledBefore);
    if (denied !== null) return close(tx, row, deniedNow(denied));
    return begin(tx, row, call, beginning.leaseMs);
  });
}

async function findLedgerRow(tx: Tx, beginning: Beginning): Promise<LedgerRow | undefined> {
  const { rows } = await tx.query<LedgerRow>({
    name: 'find-ledger-row',
    text: `select c.id, c.session_id, c.turn_id, c.step, c.ordinal, c.tool, c.arguments, c.arguments_hash, c.gate, c.status,
         c.attempt, c.repeatable, t.position, t.status as turn_status, t.run_id as turn_run_id,
         t.cancel_requested_at is not null as cancel_requested,
         coalesce(ceil(extract(epoch from c.lease_until - clock_timestamp()) * 1000), 0)::int as leased_ms,
         exists (select 1 from decisions d where d.tool_call_id = c.id and d.arguments_hash = c.arguments_hash
                 and d.decision = 'approved') as approved
       from tool_calls c join turns t on t.id = c.turn_id where c.id = $1 and c.session_id = $2`,
    values: [beginning.toolCallId, beginning.sessionId],
  });
  return rows[0];
}

/** The reconciler stops signalling a decision once the turn has acted on it. */
async function markActed(tx: Tx, toolCallId: string): Promise<void> {
  await tx.query({
    name: 'mark-decision-acted',
    text: 'update decisions set acted_at = now() where tool_call_id = $1 and acted_at is null',
    values: [toolCallId],
  });
}

const lostResult: CallClosing = {
  status: 'unknown',
  result: null,
  text: 'The call was sent, but its result was lost. Its effect may or may not have happened; it was not sent again.',
  error: {
    code: 'tool_error',
    message: 'The result of this call was lost after it was sent; whether its effect happened is not known.',
  },
};

const cancelledBefore: CallClosing = {
  status: 'cancelled',
  result: null,
  text: 'The turn was cancelled before this tool call was run.',
  error: null,
};

function deniedNow(reason: string): CallClosing {
  return { status: 'denied', result: null, text: reason, error: { code: 'tool_error', message: reason } };
}

async function close(tx: Tx, row: LedgerRow, closing: CallClosing): Promise<CallBeginning> {
  const event = await closeCall(tx, row, closing);
  return {
    kind: 'closed',
    status: closing.status,
    events: await appendEvents(tx, row.session_id, [event]),
  };
}

async function begin(tx: Tx, row: LedgerRow, call: LedgerCall, leaseMs: number): Promise<CallBeginning> {
  const attempt = row.attempt + 1;
  const [, events] = await Promise.all([
    tx.query({
      name: 'begin-call',
      text: `update tool_calls set status = 'running', attempt = $2,
               lease_until = clock_timestamp() + $3 * interval '1 millisecond' where id = $1`,
      values: [row.id, attempt, leaseMs],
    }),
    appendEvents(tx, row.session_id, [
      {
        key: `tool_started:${row.id}:${attempt}`,
        type: 'tool_started',
        turnId: row.turn_id,
        body: { tool_call_id: row.id, attempt },
      },
    ]),
  ]);
  return { kind: 'begin', call, attempt, repeatable: row.repeatable, events };
}

/**
 * Renews the lease of a running attempt and reads whether its turn is to be cancelled.
 * @returns null when the lease is lost: the attempt must stop before it has an effect nobody counts
 */
export async function renewLease(
  db: Db,
  lease: { toolCallId: string; attempt: number; leaseMs: number },
): Promise<{ cancelRequested: boolean } | null> {
  const { rows } = await db.query<{ cancel_requested: boolean }>({
    name: 'renew-lease',
    text: `update tool_calls c set lease_until = clock_timestamp() + $3 * interval '1 millisecond'
           from turns t
           where c.id = $1 and c.attempt = $2 and c.status = 'running' and c.lease_until > clock_timestamp()
             and t.id = c.turn_id
           returning t.cancel_requested_at is not null as cancel_requested`,
    values: [lease.toolCallId, lease.attempt, lease.leaseMs],
  });
  const row = rows[0];
  return row ? { cancelRequested: row.cancel_requested } : null;
}

export interface CallOutcome {
  sessionId: string;
  toolCallId: string;
  attempt: number;
  status: ToolResultStatus;
  result: unknown;
  text: string;
  error: ErrorBody | null;
}

/** Commits the result of an attempt, only where the call is still that attempt's. */
export async function finishCall(
  db: Db,
  outcome: CallOutcome,
): Promise<{ status: ToolResultStatus | null; events: StoredEvent[] }> {
  return transaction(db, async (tx) => {
    const [, found] = await Promise.all([
      lockSession(tx, outcome.sessionId),
      tx.query<ClosingCall & { status: ToolResultStatus | 'waiting' | 'ready' | 'running'; attempt: number }>(
        {
          name: 'find-call-to-finish',
          text: `select c.id, c.session_id, c.turn_id, c.step, c.ordinal, c.status, c.attempt, t.position
               from tool_calls c join turns t on t.id = c.turn_id where c.id = $1`,
          values: [outcome.toolCallId],
        },
      ),
    ]);
    const row = found.rows[0];
    if (!row || row.status === 'waiting' || row.status === 'ready') return { status: null, events: [] };
    if (row.status !== 'running') return { status: row.status, events: [] };
    if (row.attempt !== outcome.attempt) return { status: null, events: [] };
    const event = await closeCall(tx, row, outcome);
    return { status: outcome.status, events: await appendEvents(tx, outcome.sessionId, [event]) };
  });
}
