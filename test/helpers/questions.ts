import { type Db, lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents, type StoredEvent } from '../../src/store/events.ts';
import {
  type Answered,
  answerQuestion,
  askQuestion,
  type Question,
  type Response,
} from '../../src/store/questions.ts';
import type { TurnHarness } from './turn-harness.ts';

export const colourSchema = {
  type: 'object',
  properties: { colour: { type: 'string', enum: ['red', 'blue'] }, size: { type: 'integer' } },
  required: ['colour'],
  additionalProperties: false,
};

type Asked = Awaited<ReturnType<typeof askQuestion>>;

/** Asks as an activity does, in a transaction of its own. */
export async function ask(
  db: Db,
  about: Pick<Question, 'sessionId' | 'turnId'> & Partial<Question>,
): Promise<{ requestId: string; answer: Asked['answer']; events: StoredEvent[] }> {
  return transaction(db, async (tx) => {
    await lockSession(tx, about.sessionId);
    const question: Question = {
      kind: 'elicitation',
      key: 'k1',
      message: 'Which colour?',
      schema: colourSchema,
      ...about,
    };
    const asked = await askQuestion(tx, question);
    const { requestId } = asked.question;
    return { requestId, answer: asked.answer, events: await appendEvents(tx, about.sessionId, asked.events) };
  });
}

/** Answers as a gateway does; one that dies after the commit tells nobody (`isTold: false`). */
export async function respond(
  at: Pick<TurnHarness, 'db' | 'turns'>,
  response: Omit<Response, 'via' | 'userId'> & { userId?: string },
  options: { isTold: boolean } = { isTold: true },
): Promise<Answered> {
  const answered = await answerQuestion(at.db, { userId: 'alice', via: 'websocket', ...response });
  const { sessionId, requestId } = response;
  if (options.isTold) await at.turns.input(sessionId, { request_id: requestId });
  return answered;
}
