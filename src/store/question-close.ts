import type { InputAction } from '../protocol/frame-parts.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';

export type AnswerContent = EventBody<'input_resolved'>['content'];

/** The answer to a question that stands. */
export interface Answer {
  action: InputAction;
  /** What an answer that accepts says; fits the schema of the question. */
  content: AnswerContent;
  /** A user's id, or `turngate` where nobody answered in time or the turn ended. */
  by: string;
  /** Milliseconds since 1970. */
  at: number;
}

interface OpenQuestion {
  requestId: string;
  turnId: string;
}

/**
 * Gives an open question its answer. The one way in which any is answered while its turn runs; the caller holds the
 * session's lock and knows that it is open. The reconciler signals it from two seconds on, until somebody acts on it.
 */
export async function resolveQuestion(
  tx: Tx,
  question: OpenQuestion,
  answer: Omit<Answer, 'at'> & { via: string },
): Promise<{ answer: Answer; event: NewEvent }> {
  const { action, content, by, via } = answer;
  const { rows } = await tx.query<{ at: number }>({
    name: 'resolve-question',
    text: `update input_requests set action = $2, content = $3, answered_by = $4, via = $5, answered_at = now(),
             next_check_at = now() + interval '2 seconds', check_delay_ms = 2000
           where id = $1 returning answered_at as at`,
    values: [question.requestId, action, content === undefined ? null : JSON.stringify(content), by, via],
  });
  const standing = { action, content, by, at: rows[0]?.at ?? 0 };
  return { answer: standing, event: resolvedEvent(question, standing) };
}

/** What stands where nobody answered in time. */
export const expired = { action: 'cancel', content: undefined, by: 'turngate', via: 'timeout' } as const;

function resolvedEvent(question: OpenQuestion, answer: Answer): NewEvent {
  const { requestId, turnId } = question;
  const { action, content, by, at } = answer;
  const said = content === undefined ? {} : { content };
  return {
    key: `input_resolved:${requestId}`,
    type: 'input_resolved',
    turnId,
    body: { request_id: requestId, action, by, at, ...said },
  };
}

/**
 * The turn, or the call, is over: nobody can answer its questions any more, and nobody waits for what was answered. The
 * caller holds the session's lock and appends the events.
 */
export async function withdrawQuestions(
  tx: Tx,
  of: { turnId: string } | { toolCallId: string },
): Promise<NewEvent[]> {
  const [column, id, via] =
    'turnId' in of ? ['turn_id', of.turnId, 'turn_end'] : ['tool_call_id', of.toolCallId, 'call_end'];
  const { rows } = await tx.query<{ id: string; turn_id: string; at: number; is_new: boolean }>({
    name: `withdraw-questions-by-${column}`,
    text: `with open as (select id from input_requests where ${column} = $1 and action is null)
           update input_requests q set acted_at = now(),
             action = coalesce(q.action, 'cancel'), answered_by = coalesce(q.answered_by, 'turngate'),
             via = coalesce(q.via, $2), answered_at = coalesce(q.answered_at, now())
           where q.${column} = $1 and q.acted_at is null
           returning q.id, q.turn_id, q.answered_at as at, exists (select 1 from open where open.id = q.id) as is_new`,
    values: [id, via],
  });
  const withdrawn = rows.filter((row) => row.is_new).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return withdrawn.map(({ id: requestId, turn_id: turnId, at }) =>
    resolvedEvent({ requestId, turnId }, { action: 'cancel', content: undefined, by: 'turngate', at }),
  );
}

export interface ExpiredQuestion {
  sessionId: string;
  turnId: string;
  requestId: string;
  events: StoredEvent[];
}

/** Answers open questions whose time is up with `cancel`, at most `limit`, each in a transaction of its own. */
export async function expireQuestions(db: Db, limit: number): Promise<ExpiredQuestion[]> {
  const { rows } = await db.query<{ id: string; session_id: string; turn_id: string }>({
    name: 'find-expired-questions',
    text: `select id, session_id, turn_id from input_requests
           where action is null and expires_at <= now() order by expires_at limit $1`,
    values: [limit],
  });
  const done: ExpiredQuestion[] = [];
  for (const { id: requestId, session_id: sessionId, turn_id: turnId } of rows) {
    const events = await cancelQuestion(db, { sessionId, turnId, requestId }, 'timeout');
    if (events.length > 0) done.push({ sessionId, turnId, requestId, events });
  }
  return done;
}

/** Answers a question in nobody's name, if it is still open. */
export async function cancelQuestion(
  db: Db,
  question: OpenQuestion & { sessionId: string },
  via: 'timeout' | 'server',
): Promise<StoredEvent[]> {
  return transaction(db, async (tx) => {
    await lockSession(tx, question.sessionId);
    const { rowCount } = await tx.query({
      name: 'question-is-open',
      text: 'select 1 from input_requests where id = $1 and action is null',
      values: [question.requestId],
    });
    if (rowCount !== 1) return [];
    const { event } = await resolveQuestion(tx, question, { ...expired, via });
    return appendEvents(tx, question.sessionId, [event]);
  });
}
