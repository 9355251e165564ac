import { isDeepStrictEqual } from 'node:util';
import type { Conversation } from './conversation.ts';
import type { GatewayApi } from './gateway-api.ts';
import { assertTrue } from './tour-failure.ts';

export interface Exactness {
  /** Answers compared, and their characters. */
  answers: number;
  characters: number;
  events: number;
}

/**
 * Compares what the client has, over all its connections, with what the store holds: text, events, and that nothing
 * came twice.
 * @throws TourFailure that names the first difference
 */
export async function checkExactness(
  conversation: Conversation,
  api: GatewayApi,
  sessionId: string,
): Promise<Exactness> {
  const [stored, { events }] = await Promise.all([api.messages(sessionId), api.events(sessionId)]);
  assertTrue(
    conversation.breaches.length === 0,
    `the client saw what must not be: ${conversation.breaches.join('; ')}`,
  );
  assertTrue(
    isDeepStrictEqual(conversation.events, events),
    `the client has ${conversation.events.length} events that are not the ${events.length} stored ones`,
  );
  const answers = stored.messages.filter((message) => message.role === 'assistant');
  for (const answer of answers) {
    const shown = conversation.textOf(answer.id);
    assertTrue(
      shown === answer.content,
      `the client shows "${shown}", the store holds "${answer.content}" (message ${answer.id})`,
    );
  }
  const characters = answers.reduce((sum, answer) => sum + answer.content.length, 0);
  return { answers: answers.length, characters, events: events.length };
}
