import { isDeepStrictEqual } from 'node:util';
import { v7 as uuidv7 } from 'uuid';
import { checkContent } from '../gate/schema-words.ts';
import { PublicError } from '../protocol/errors.ts';
import type { InputAction, InputKind } from '../protocol/frame-parts.ts';
import type { AckFrame } from '../protocol/live-frames.ts';
import { rightHolders } from '../protocol/roles.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type NewEvent, type StoredEvent } from './events.ts';
import { checkRight } from './participants.ts';
import { type Answer, type AnswerContent, expired, resolveQuestion } from './question-close.ts';
import { checkRunAgain } from './run-again.ts';
import type { OpenQuestion } from './steps.ts';

/** Where neither the session nor who asks says how long people have. */
const usualTimeoutMs = 7 * 24 * 3_600_000;

export interface Question {
  sessionId: string;
  turnId: string;
  toolCallId?: string;
  kind: InputKind;
  /** Of its turn: whoever asks with the same key again asks the same question. */
  key: string;
  message: string;
  /** JSON Schema of the content of an answer that accepts: ours, or made of known parts, never somebody's as it is. */
  schema: Record<string, unknown>;
  /** Where the session says no time of its own (`approval_timeout_ms`). */
  timeoutMs?: number;
}

interface QuestionRow {
  id: string;
  turn_id: string;
  tool_call_id: string | null;
  kind: InputKind;
  message: string;
  schema: Record<string, unknown>;
  is_due: boolean;
  action: InputAction | null;
  content: AnswerContent | null;
  answered_by: string;
  at: number;
}

const columns = `id, turn_id, tool_call_id, kind, message, schema, expires_at <= now() as is_due, action, content, answered_by, answered_at as at`;

/** Until when people have time, and who may answer: those in a role that may decide, which is $3. */
interface Audience {
  expiresAt: number;
  answerers: string[] | null;
}
const answerers = `(select array_agg(p.user_id order by p.user_id) from participants p
  where p.session_id = input_requests.session_id and p.role = any($3))`;

/**
 * Asks whoever may decide in the session, or finds what was asked with this key, and its answer: who gets one has
 * acted on it. The caller holds the session's lock, knows that the turn runs, and appends `events`.
 */
export async function askQuestion(
  tx: Tx,
  question: Question,
): Promise<{ question: OpenQuestion; answer: Answer | null; events: NewEvent[] }> {
  const asked = await readAsked(tx, question);
  if (asked) return { ...asked, events: [] };
  const { event, ...inserted } = await insertQuestion(tx, question);
  return { ...inserted, answer: null, events: [event] };
}

/**
 * What was asked with this key, and its answer: who gets one has acted on it, unless `othersWait` for it too. The caller
 * holds the session's lock.
 */
export async function readAsked(
  tx: Tx,
  asked: { turnId: string; key: string; othersWait?: boolean | undefined },
): Promise<{ question: OpenQuestion; answer: Answer | null } | null> {
  const { rows } = await tx.query<QuestionRow & Audience>({
    name: 'find-asked-question',
    text: `update input_requests set acted_at = case when action is not null and not $4 then coalesce(acted_at, now()) else acted_at end
           where turn_id = $1 and key = $2 returning ${columns}, expires_at as "expiresAt", ${answerers} as answerers`,
    values: [asked.turnId, asked.key, rightHolders.decide, asked.othersWait ?? false],
  });
  const row = rows[0];
  if (!row) return null;
  const { id: requestId, kind, message, expiresAt, answerers: people } = row;
  return {
    question: { requestId, kind, message, expiresAt, answerers: people ?? [] },
    answer: answerOf(row),
  };
}

async function insertQuestion(
  tx: Tx,
  question: Question,
): Promise<{ question: OpenQuestion; event: NewEvent }> {
  const { sessionId, turnId, toolCallId, kind, key, message, schema, timeoutMs } = question;
  const requestId = uuidv7();
  const { rows } = await tx.query<Audience>({
    name: 'insert-question',
    text: `insert into input_requests (id, session_id, turn_id, tool_call_id, kind, key, message, schema, expires_at)
           select $1, id, $3, $4, $5, $6, $7, $8,
             now() + coalesce((config->>'approval_timeout_ms')::bigint, $9) * interval '1 millisecond'
           from sessions where id = $2
           returning expires_at as "expiresAt", ${answerers.replace('$3', '$10')} as answerers`,
    values: [
      ...[requestId, sessionId, turnId, toolCallId ?? null, kind, key, message, JSON.stringify(schema)],
      timeoutMs ?? usualTimeoutMs,
      rightHolders.decide,
    ],
  });
  const { expiresAt = 0, answerers: people } = rows[0] ?? {};
  const body: EventBody<'input_request'> = {
    request_id: requestId,
    kind,
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
    message,
    schema: schema as EventBody<'input_request'>['schema'],
    expires_at: expiresAt,
  };
  const event: NewEvent = { key: `input_request:${requestId}`, type: 'input_request', turnId, body };
  return { question: { requestId, kind, message, expiresAt, answerers: people ?? [] }, event };
}

function answerOf(row: QuestionRow): Answer | null {
  if (row.action === null) return null;
  return { action: row.action, content: row.content ?? undefined, by: row.answered_by, at: row.at };
}

export interface Response {
  sessionId: string;
  requestId: string;
  userId: string;
  action: InputAction;
  content?: AnswerContent;
  /** From where: `websocket`, `http`. */
  via: string;
}

export interface Answered {
  /** `conflict`: another answer stands. */
  kind: 'recorded' | 'conflict';
  turnId: string;
  input: NonNullable<AckFrame['input']>;
  events: StoredEvent[];
}

/**
 * A participant's answer: the first valid one stands, and who gives the same again gets the same. One that comes after
 * the question's time finds it expired, whether or not somebody has written that yet.
 * @throws PublicError `not_found` (no such question here), `forbidden` (their role may not, or the rule of the call does
 * not let them say that it runs again), `validation_error` (the content does not fit)
 */
export async function answerQuestion(db: Db, response: Response): Promise<Answered> {
  return transaction(db, async (tx) => {
    const [, , row] = await Promise.all([
      lockSession(tx, response.sessionId),
      checkRight(tx, response, 'decide'),
      findQuestion(tx, response),
    ]);
    if (!row) throw new PublicError('not_found', 'There is no such question in this session.');
    const standing = answerOf(row);
    if (standing) return { ...outcome(row, response, standing), events: [] };
    if (saysRunAgain(row, response) && row.tool_call_id !== null) {
      await checkRunAgain(tx, { ...response, toolCallId: row.tool_call_id });
    }
    const given = row.is_due ? { ...expired } : answerIn(row, response);
    const { answer, event } = await resolveQuestion(tx, { requestId: row.id, turnId: row.turn_id }, given);
    const events = await appendEvents(tx, response.sessionId, [event]);
    return { ...outcome(row, response, answer), events };
  });
}

function saysRunAgain({ kind }: QuestionRow, response: Response): boolean {
  const outcome = (contentOf(response) as { outcome?: unknown } | undefined)?.outcome;
  return kind === 'unknown_outcome' && outcome === 'run_again';
}

async function findQuestion(tx: Tx, response: Response): Promise<QuestionRow | undefined> {
  const { rows } = await tx.query<QuestionRow>({
    name: 'find-question',
    text: `select ${columns} from input_requests where id = $1 and session_id = $2`,
    values: [response.requestId, response.sessionId],
  });
  return rows[0];
}

/** @throws PublicError `validation_error` */
function answerIn(row: QuestionRow, response: Response): Omit<Answer, 'at'> & { via: string } {
  const { action, userId: by, via } = response;
  const content = contentOf(response);
  const fault = action === 'accept' ? checkContent(row.schema, content) : null;
  if (fault !== null) throw new PublicError('validation_error', fault);
  return { action, content, by, via };
}

/** Who declines says nothing more. */
function contentOf({ action, content }: Response): AnswerContent {
  return action === 'accept' ? (content ?? {}) : undefined;
}

function outcome(row: QuestionRow, response: Response, answer: Answer): Omit<Answered, 'events'> {
  const { action, content, by, at } = answer;
  const isTheirs =
    by === response.userId && action === response.action && isDeepStrictEqual(content, contentOf(response));
  return {
    kind: isTheirs ? 'recorded' : 'conflict',
    turnId: row.turn_id,
    input: { request_id: row.id, action, by, at },
  };
}
