import type { ErrorBody } from '../protocol/errors.ts';
import type { TurnEndStatus, Usage } from '../protocol/frame-parts.ts';
import { insertAssistantMessage, streamEnd } from './assistant-message.ts';
import type { Tx } from './db.ts';
import { deleteDraft, readDraft } from './drafts.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';
import { closeCalls } from './open-call-end.ts';
import { withdrawQuestions } from './question-close.ts';
import { isRolledBack, removeMessages } from './rollback.ts';
import { type DebugSource, readTurnDebug } from './turn-debug.ts';

export interface TurnEnding {
  sessionId: string;
  turnId: string;
  status: TurnEndStatus;
  error?: ErrorBody | undefined;
  /** Set in development: what is told about how the turn went. */
  debug?: DebugSource | undefined;
}

export interface TurnEnded {
  moreWaiting: boolean;
  events: StoredEvent[];
}

/**
 * Ends a turn that has not ended: withdraws its gates and questions, closes its calls and its stream, writes `turn_end`. What a
 * cancelled turn had said stays, what a failed one was saying is void, and of one that is rolled back no message
 * stays. The caller holds the session's lock and knows that the turn is queued or running. `before` are events that belong in front.
 */
export async function finishTurn(tx: Tx, ending: TurnEnding, before: NewEvent[] = []): Promise<TurnEnded> {
  const rolledBack = ending.status === 'cancelled' && (await isRolledBack(tx, ending.turnId));
  const streamEvents = await closeStream(tx, ending, ending.status === 'cancelled' && !rolledBack);
  // Before its questions: a call that stands at one has done nothing.
  const callEvents = await closeCalls(tx, ending);
  const questionEvents = await withdrawQuestions(tx, { turnId: ending.turnId });
  const removed = rolledBack ? await removeMessages(tx, ending.turnId) : [];
  const usage = await sumUsage(tx, ending.turnId);
  const debug = ending.debug && (await readTurnDebug(tx, ending.turnId, ending.debug));
  const ended = tx.query({
    name: 'end-turn',
    text: `update turns set status = $2, error = $3, ended_at = now() where id = $1`,
    values: [ending.turnId, ending.status, ending.error ? JSON.stringify(ending.error) : null],
  });
  const settled = tx.query({
    name: 'settle-decisions',
    text: 'update decisions set acted_at = now() where turn_id = $1 and acted_at is null',
    values: [ending.turnId],
  });
  const appended = appendEvents(tx, ending.sessionId, [
    ...before,
    ...streamEvents,
    ...questionEvents,
    ...callEvents,
    ...removed,
    {
      key: `turn_end:${ending.turnId}`,
      type: 'turn_end',
      turnId: ending.turnId,
      body: {
        status: ending.status,
        ...(ending.error ? { error: ending.error } : {}),
        usage,
        ...(debug ? { debug } : {}),
      },
    },
  ]);
  // Whoever comes next is looked at soon, however long it has been waiting.
  const next = tx.query({
    name: 'hasten-next-turn',
    text: `update turns set next_check_at = now() + interval '2 seconds', check_delay_ms = 2000
           where id = (select id from turns where session_id = $1 and status = 'queued' and id <> $2 order by position limit 1)`,
    values: [ending.sessionId, ending.turnId],
  });
  const [, , events, { rowCount }] = await Promise.all([ended, settled, appended, next]);
  return { moreWaiting: rowCount === 1, events };
}

interface OpenStreamRow {
  step: number;
  message_id: string;
  attempt: number;
  position: number;
}

async function closeStream(tx: Tx, ending: TurnEnding, keep: boolean): Promise<NewEvent[]> {
  const { rows } = await tx.query<OpenStreamRow>({
    name: 'find-open-stream',
    text: `select s.step, s.message_id, s.attempt, t.position from steps s join turns t on t.id = s.turn_id
           where s.turn_id = $1 and not exists (select 1 from messages m where m.id = s.message_id)`,
    values: [ending.turnId],
  });
  const open = rows[0];
  if (!open) return [];
  const draft = keep ? await readDraft(tx, open.message_id) : null;
  await deleteDraft(tx, open.message_id);
  // What an earlier attempt had said was taken back when the next one began.
  if (!draft?.content || draft.attempt !== open.attempt) {
    return [
      {
        key: `stream_void:${open.message_id}`,
        type: 'stream_reset',
        turnId: ending.turnId,
        body: { message_id: open.message_id },
      },
    ];
  }
  await insertAssistantMessage(tx, {
    sessionId: ending.sessionId,
    turnId: ending.turnId,
    position: open.position,
    step: open.step,
    messageId: open.message_id,
    content: draft.content,
    thought: draft.thought,
    finishReason: 'cancelled',
  });
  return [
    streamEnd({
      turnId: ending.turnId,
      messageId: open.message_id,
      content: draft.content,
      thought: draft.thought,
      finishReason: 'cancelled',
      usage: null,
    }),
  ];
}

async function sumUsage(tx: Tx, turnId: string): Promise<Usage | null> {
  const { rows } = await tx.query<{ input: number | null; output: number | null }>({
    name: 'sum-usage',
    text: `select sum((usage->>'input_tokens')::bigint)::bigint as input, sum((usage->>'output_tokens')::bigint)::bigint as output
           from steps where turn_id = $1`,
    values: [turnId],
  });
  const row = rows[0];
  if (!row || row.input === null || row.output === null) return null;
  return { input_tokens: row.input, output_tokens: row.output };
}
