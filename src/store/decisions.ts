import { v7 as uuidv7 } from 'uuid';
import { PublicError } from '../protocol/errors.ts';
import type { ApprovalOutcome, StandingDecision } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';
import { checkRight } from './participants.ts';
import { type ClosingCall, closeCall } from './tool-call-close.ts';

export interface Verdict {
  sessionId: string;
  toolCallId: string;
  outcome: Exclude<ApprovalOutcome, 'withdrawn'>;
  /** Who decided: a user's id, `operator`, or `turngate` for the timeout. */
  decidedBy: string;
  /** From where: `websocket`, `http`, `signal`, `timeout`. */
  via: string;
  reason?: string | undefined;
  /** The hash of what the person was shown. */
  argumentsHash?: string | undefined;
}

export type Decided =
  | {
      kind: 'recorded';
      decisionId: string;
      turnId: string;
      decision: StandingDecision;
      events: StoredEvent[];
    }
  | { kind: 'conflict'; decision: StandingDecision };

interface CallRow extends ClosingCall {
  status: string;
  gate: string;
  arguments_hash: string;
}

interface DecisionRow {
  id: string;
  decision: ApprovalOutcome;
  decided_by: string;
  reason: string | null;
  at: number;
}

/**
 * A participant's decision on one tool call; see {@link recordVerdict}.
 * @throws PublicError as it does, and `forbidden` (their role may not)
 */
export async function decide(
  db: Db,
  decision: Omit<Verdict, 'outcome'> & { approved: boolean },
): Promise<Decided> {
  const { approved, ...rest } = decision;
  const { sessionId, decidedBy: userId } = decision;
  return record(db, { ...rest, outcome: approved ? 'approved' : 'rejected' }, (tx) =>
    checkRight(tx, { sessionId, userId }, 'decide'),
  );
}

/**
 * Writes the deciding row of a tool call: the first one stands, whoever comes second. With it goes
 * `tool_approval_resolved`, and unless approved the call's result, all in one transaction.
 * @throws PublicError `not_found` (no such call here), `conflict` (something else waits than what was shown, or
 * the call never waited)
 */
export async function recordVerdict(db: Db, verdict: Verdict): Promise<Decided> {
  return record(db, verdict, async () => undefined);
}

/** @param check whether they may; asked under the session's lock */
async function record(db: Db, verdict: Verdict, check: (tx: Tx) => Promise<void>): Promise<Decided> {
  return transaction(db, async (tx) => {
    const [, , call] = await Promise.all([
      lockSession(tx, verdict.sessionId),
      check(tx),
      findCall(tx, verdict),
    ]);
    if (!call) throw new PublicError('not_found', 'There is no such tool call in this session.');
    if (verdict.argumentsHash !== undefined && verdict.argumentsHash !== call.arguments_hash) {
      throw new PublicError(
        'conflict',
        'What waits is not what was shown (the arguments differ); look at the call again and decide anew.',
      );
    }
    const standing = await findDecision(tx, call);
    if (standing) return answerStanding(verdict, call, standing);
    if (call.status !== 'waiting') {
      throw new PublicError('conflict', 'This tool call does not wait for an approval.');
    }
    return insertDecision(tx, verdict, call);
  });
}

async function findCall(tx: Tx, verdict: Verdict): Promise<CallRow | undefined> {
  const { rows } = await tx.query<CallRow>({
    name: 'find-call-to-decide',
    text: `select c.id, c.session_id, c.turn_id, c.step, c.ordinal, c.status, c.gate, c.arguments_hash, t.position
           from tool_calls c join turns t on t.id = c.turn_id where c.id = $1 and c.session_id = $2`,
    values: [verdict.toolCallId, verdict.sessionId],
  });
  return rows[0];
}

async function findDecision(tx: Tx, call: CallRow): Promise<DecisionRow | undefined> {
  const { rows } = await tx.query<DecisionRow>({
    name: 'find-decision',
    text: `select id, decision, decided_by, reason, decided_at as at from decisions
           where tool_call_id = $1 and arguments_hash = $2`,
    values: [call.id, call.arguments_hash],
  });
  return rows[0];
}

function answerStanding(verdict: Verdict, call: CallRow, row: DecisionRow): Decided {
  const decision = toStanding(call.id, row);
  const again = row.decided_by === verdict.decidedBy && row.decision === verdict.outcome;
  if (!again) return { kind: 'conflict', decision };
  return { kind: 'recorded', decisionId: row.id, turnId: call.turn_id, decision, events: [] };
}

function toStanding(toolCallId: string, row: DecisionRow): StandingDecision {
  return {
    tool_call_id: toolCallId,
    decision: row.decision,
    by: row.decided_by,
    at: row.at,
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}

async function insertDecision(tx: Tx, verdict: Verdict, call: CallRow): Promise<Decided> {
  const id = uuidv7();
  const { rows } = await tx.query<{ at: number }>({
    name: 'insert-decision',
    text: `insert into decisions (id, tool_call_id, turn_id, arguments_hash, decision, decided_by, via, reason)
           values ($1, $2, $3, $4, $5, $6, $7, $8) returning decided_at as at`,
    values: [
      id,
      call.id,
      call.turn_id,
      call.arguments_hash,
      verdict.outcome,
      verdict.decidedBy,
      verdict.via,
      verdict.reason ?? null,
    ],
  });
  const decision = toStanding(call.id, {
    id,
    decision: verdict.outcome,
    decided_by: verdict.decidedBy,
    reason: verdict.reason ?? null,
    at: rows[0]?.at ?? 0,
  });
  const resolved: NewEvent = {
    key: `approval_resolved:${call.id}:${call.arguments_hash}`,
    type: 'tool_approval_resolved',
    turnId: call.turn_id,
    body: decision,
  };
  const outcome =
    verdict.outcome === 'approved' ? await makeReady(tx, call) : await refuse(tx, verdict, call);
  const events = await appendEvents(tx, verdict.sessionId, [resolved, ...outcome]);
  return { kind: 'recorded', decisionId: id, turnId: call.turn_id, decision, events };
}

async function makeReady(tx: Tx, call: CallRow): Promise<NewEvent[]> {
  await tx.query({
    name: 'make-call-ready',
    text: `update tool_calls set status = 'ready' where id = $1`,
    values: [call.id],
  });
  return [];
}

async function refuse(tx: Tx, verdict: Verdict, call: CallRow): Promise<NewEvent[]> {
  const why = verdict.reason ? ` Reason given: ${verdict.reason}` : '';
  const text =
    verdict.outcome === 'expired'
      ? 'Nobody approved this call in time, so it was not run.'
      : `A person rejected this call, so it was not run.${why}`;
  return [await closeCall(tx, call, { status: 'rejected', result: null, text, error: null })];
}
