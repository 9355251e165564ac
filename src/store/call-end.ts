import type { ErrorBody } from '../protocol/errors.ts';
import type { ToolResultStatus } from '../protocol/frame-parts.ts';
import { type CallStatus, isOpen } from './call-status.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type StoredEvent } from './events.ts';
import { keepLateResult } from './late-results.ts';
import { besideLost, type LostCall, settleLost } from './lost-call.ts';
import { withdrawQuestions } from './question-close.ts';
import type { OpenQuestion } from './steps.ts';
import { type CallClosing, closeCall } from './tool-call-close.ts';

export interface CallOutcome {
  sessionId: string;
  toolCallId: string;
  attempt: number;
  status: ToolResultStatus;
  result: unknown;
  text: string;
  error: ErrorBody | null;
  /**
   * `answered`: the tool's server said so; where the attempt was given up meanwhile it is kept as evidence. `lost`: the
   * effect may or may not have happened, and a person is asked. `stopped`: neither.
   */
  how: 'answered' | 'lost' | 'stopped';
}

export type CallEnd =
  | { kind: 'closed'; status: ToolResultStatus; events: StoredEvent[] }
  | { kind: 'question'; question: OpenQuestion; events: StoredEvent[] }
  /** The call is open, but not this attempt's any more. */
  | { kind: 'superseded'; events: StoredEvent[] };

interface EndingRow extends LostCall {
  edited_by: string | null;
  edited: Record<string, unknown> | null;
  status: CallStatus;
  turn_status: string;
  cancel_requested: boolean;
  /** An earlier attempt was sent and lost, and may have had its effect. */
  was_lost: boolean;
}

/** Commits what came of an attempt, only where the call is still that attempt's. */
export async function finishCall(
  db: Db,
  outcome: CallOutcome,
  options: { questionTimeoutMs: number },
): Promise<CallEnd> {
  return transaction(db, async (tx) => {
    const [, row] = await Promise.all([
      lockSession(tx, outcome.sessionId),
      findEnding(tx, outcome.toolCallId),
    ]);
    if (!row) return { kind: 'superseded', events: [] };
    if (row.status !== 'running' || row.attempt !== outcome.attempt) return comeTooLate(tx, row, outcome);
    const mayAsk = outcome.how === 'lost' && row.turn_status === 'running' && !row.cancel_requested;
    if (!mayAsk) return close(tx, row, outcome);
    const fate = await settleLost(tx, row, { timeoutMs: options.questionTimeoutMs });
    // Nobody can have been asked about an attempt that was running until now.
    if (fate.kind !== 'question') return close(tx, row, outcome);
    const { question, events } = fate;
    return { kind: 'question', question, events: await appendEvents(tx, row.session_id, events) };
  });
}

async function findEnding(tx: Tx, toolCallId: string): Promise<EndingRow | undefined> {
  const { rows } = await tx.query<EndingRow>({
    name: 'find-call-to-finish',
    text: `select c.id, c.session_id, c.turn_id, c.step, c.ordinal, c.status, c.attempt, c.tool, t.position,
             c.edited_by, case when c.edited_by is not null then c.arguments end as edited,
             t.status as turn_status, t.cancel_requested_at is not null as cancel_requested,
             c.was_lost and not c.read_only as was_lost
           from tool_calls c join turns t on t.id = c.turn_id where c.id = $1`,
    values: [toolCallId],
  });
  return rows[0];
}

/** The model has to know that what it reads is not the result of what it asked for. */
function editNote(row: EndingRow): string {
  if (row.edited === null) return '';
  return `[A person changed the arguments before this ran, to ${JSON.stringify(row.edited)}]\n`;
}

async function close(tx: Tx, row: EndingRow, outcome: CallClosing): Promise<CallEnd> {
  const closing = row.was_lost && outcome.status !== 'completed' ? besideLost(outcome) : outcome;
  const event = await closeCall(tx, row, { ...closing, text: editNote(row) + closing.text });
  const withdrawn = await withdrawQuestions(tx, { toolCallId: row.id });
  const events = await appendEvents(tx, row.session_id, [...withdrawn, event]);
  return { kind: 'closed', status: closing.status, events };
}

async function comeTooLate(tx: Tx, row: EndingRow, outcome: CallOutcome): Promise<CallEnd> {
  const { toolCallId, attempt, result, error, how } = outcome;
  const status = outcome.status === 'completed' ? 'completed' : 'failed';
  const late = { toolCallId, turnId: row.turn_id, attempt, status, result, error } as const;
  const kept = how === 'answered' ? await keepLateResult(tx, late) : [];
  const events = await appendEvents(tx, row.session_id, kept);
  if (isOpen(row.status)) return { kind: 'superseded', events };
  return { kind: 'closed', status: row.status, events };
}
