import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EventFrame } from '../../src/protocol/server-frames.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { eventually, type TurnHarness } from './turn-harness.ts';

type Request = Extract<EventFrame, { type: 'input_request' }>;

/** Writes the limits that workers of this harness read, and answers the setting that says so. */
export function writeLimits(at: TurnHarness, limits: object): { TURNGATE_LIMITS: string } {
  const file = join(at.config.TURNGATE_AGENTS_DIR, 'limits.yaml');
  // YAML takes JSON.
  writeFileSync(file, JSON.stringify(limits));
  return { TURNGATE_LIMITS: file };
}

/** Waits for the n-th question about a limit, counted from 0. */
export function limitAsked(at: TurnHarness, sessionId: string, n = 0): Promise<Request> {
  return eventually(`question ${n} in ${sessionId}`, async () => {
    const events = await at.events(sessionId);
    return events.filter((event): event is Request => event.type === 'input_request')[n];
  });
}

/** A message of somebody, with its signal. Answers the turn's id. */
export async function sayAs(at: TurnHarness, sessionId: string, userId: string): Promise<string> {
  const message = { sessionId, userId, clientMessageId: randomUUID(), content: 'go' };
  const { turnId } = await acceptMessage(at.db, message);
  await at.turns.wake({ sessionId, userId });
  return turnId;
}

/** Answers as the gateway does, with its signal. */
export async function answerLimit(
  at: TurnHarness,
  request: Request,
  action: 'accept' | 'decline' | 'cancel',
  more?: number,
): Promise<void> {
  const { session_id: sessionId, request_id: requestId } = request;
  const content = more === undefined ? {} : { content: { more } };
  await answerQuestion(at.db, { sessionId, requestId, userId: 'alice', action, via: 'http', ...content });
  await at.turns.input(sessionId, { request_id: requestId });
}
