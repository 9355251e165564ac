import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type StoredEvent } from './events.ts';
import type { Answer } from './question-close.ts';
import { askQuestion, type Question } from './questions.ts';
import type { OpenQuestion } from './steps.ts';

/** One attempt of one call. */
export interface Attempt {
  sessionId: string;
  toolCallId: string;
  attempt: number;
}

/**
 * Asks people what a server wants to know in the middle of a call.
 * @param options.isHeld whether the server does nothing before it has the answer
 * @returns null where the attempt is no longer the one that counts
 */
export async function askForTool(
  db: Db,
  at: Attempt,
  question: Pick<Question, 'turnId' | 'key' | 'message' | 'schema' | 'timeoutMs'>,
  options: { isHeld: boolean },
): Promise<{ question: OpenQuestion; answer: Answer | null; events: StoredEvent[] } | null> {
  return transaction(db, async (tx) => {
    const [, counts] = await Promise.all([lockSession(tx, at.sessionId), doesCount(tx, at)]);
    if (!counts) return null;
    const { sessionId, toolCallId, attempt } = at;
    const asked = await askQuestion(tx, { ...question, sessionId, toolCallId, kind: 'elicitation' });
    if (options.isHeld) {
      await tx.query({
        name: 'stand-at-question',
        text: 'update input_requests set standing_attempt = $2 where id = $1',
        values: [asked.question.requestId, attempt],
      });
    }
    return { ...asked, events: await appendEvents(tx, sessionId, asked.events) };
  });
}

async function doesCount(tx: Tx, at: Attempt): Promise<boolean> {
  const { rowCount } = await tx.query({
    name: 'attempt-counts',
    text: `select 1 from tool_calls c join turns t on t.id = c.turn_id
           where c.id = $1 and c.status = 'running' and c.attempt = $2 and c.lease_until > clock_timestamp()
             and t.status = 'running'`,
    values: [at.toolCallId, at.attempt],
  });
  return rowCount === 1;
}

/**
 * The answer to a question, if there is one: who takes it has acted on it. An attempt whose lease has lapsed gets none,
 * because the next one may have it already.
 */
export async function takeAnswer(db: Db, at: Attempt, requestId: string): Promise<Answer | null> {
  const { rows } = await db.query<Answer>({
    name: 'take-answer',
    text: `update input_requests q set acted_at = coalesce(q.acted_at, now()) from tool_calls c
           where q.id = $1 and q.action is not null
             and c.id = $2 and c.attempt = $3 and c.status = 'running' and c.lease_until > clock_timestamp()
           returning q.action, q.content, q.answered_by as by, q.answered_at as at`,
    values: [requestId, at.toolCallId, at.attempt],
  });
  return rows[0] ?? null;
}

/**
 * Lets a call go that stands at a question and has done nothing: it is made again when people have answered.
 * @returns false where the attempt is no longer the one that counts
 */
export async function letCallGo(db: Db, at: Attempt): Promise<boolean> {
  return transaction(db, async (tx) => {
    await lockSession(tx, at.sessionId);
    const { rowCount } = await tx.query({
      name: 'let-call-go',
      text: `update tool_calls set status = 'ready', lease_until = null
             where id = $1 and attempt = $2 and status = 'running'`,
      values: [at.toolCallId, at.attempt],
    });
    if (rowCount !== 1) return false;
    // An answer that was taken a moment ago has reached nobody.
    await tx.query({
      name: 'give-answers-back',
      text: `update input_requests set acted_at = null where tool_call_id = $1 and standing_attempt = $2`,
      values: [at.toolCallId, at.attempt],
    });
    return true;
  });
}
