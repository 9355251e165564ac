import { type Db, lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents, type StoredEvent } from '../../src/store/events.ts';
import { askQuestion, type Question } from '../../src/store/questions.ts';

export const colourSchema = {
  type: 'object',
  properties: { colour: { type: 'string', enum: ['red', 'blue'] }, size: { type: 'integer' } },
  required: ['colour'],
  additionalProperties: false,
};

/** Asks as an activity does, in a transaction of its own. */
export async function ask(
  db: Db,
  about: Pick<Question, 'sessionId' | 'turnId'> & Partial<Question>,
): Promise<Omit<Awaited<ReturnType<typeof askQuestion>>, 'events'> & { events: StoredEvent[] }> {
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
    return { ...asked, events: await appendEvents(tx, about.sessionId, asked.events) };
  });
}
