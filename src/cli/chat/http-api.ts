import { z } from 'zod';
import { messagesPage, problem, sessionView } from '../../protocol/http.ts';
import { type EventFrame, eventFrame } from '../../protocol/server-frames.ts';
import { reasonOf, StartFailure } from '../dev/start-failure.ts';
import type { FindTarget } from './target.ts';

const timeoutMs = 10_000;
/** The most that one page may hold. */
export const pageItems = 200;

const sessionsPage = z.object({ sessions: z.array(sessionView) });
// An event of a kind that this client does not know is left out, as it is on the socket.
const eventsPage = z.object({
  events: z.array(z.looseObject({ seq: z.int() })).transform((events) =>
    events.flatMap((event) => {
      const parsed = eventFrame.safeParse(event);
      return parsed.success ? [parsed.data] : [];
    }),
  ),
  next: z.int().nullable(),
});

/**
 * What the chat asks over HTTP. Everything rejects with a StartFailure: a sentence that a person can act upon.
 */
export class HttpApi {
  readonly #findTarget: FindTarget;

  constructor(findTarget: FindTarget) {
    this.#findTarget = findTarget;
  }

  /** Newest first. */
  async sessions(limit: number) {
    return (await this.#ask(sessionsPage, `/v1/sessions?limit=${limit}`)).sessions;
  }

  async createSession(title: string | undefined) {
    return this.#ask(sessionView, '/v1/sessions', title === undefined ? {} : { title });
  }

  async messages(sessionId: string) {
    return this.#ask(
      messagesPage,
      `/v1/sessions/${encodeURIComponent(sessionId)}/messages?limit=${pageItems}`,
    );
  }

  async events(sessionId: string, after: number) {
    const events: EventFrame[] = [];
    // Where events are large, an answer holds only some of them.
    for (let from: number | null = after; from !== null && from < after + pageItems; ) {
      const query = `after=${from}&limit=${after + pageItems - from}`;
      const path = `/v1/sessions/${encodeURIComponent(sessionId)}/events?${query}`;
      const page: z.infer<typeof eventsPage> = await this.#ask(eventsPage, path);
      events.push(...page.events);
      from = page.next;
    }
    return events;
  }

  async #ask<T>(schema: z.ZodType<T>, path: string, body?: object): Promise<T> {
    const { http, token } = this.#findTarget();
    const answered = await fetch(new URL(path, http), {
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
      .then(async (response) => ({ isOk: response.ok, status: response.status, text: await response.text() }))
      .catch((error: unknown) => {
        throw new StartFailure(
          `Nothing answers at ${http} (${causeOf(error)}). Does \`npm start\` run there?`,
        );
      });
    if (!answered.isOk) throw new StartFailure(refusal(http, answered));
    const parsed = schema.safeParse(parseJson(answered.text));
    if (parsed.success) return parsed.data;
    throw new StartFailure(`What answers at ${http} is no gateway of this version. Is the address right?`);
  }
}

/** fetch hides what happened in its cause, and there in a list where the name has several addresses. */
function causeOf(error: unknown): string {
  const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined;
  return reasonOf(cause) || reasonOf(error);
}

function refusal(http: string, answered: { status: number; text: string }): string {
  const parsed = problem.safeParse(parseJson(answered.text));
  const detail = parsed.success ? parsed.data.detail : `status ${answered.status}`;
  if (answered.status !== 401) return `The gateway at ${http} refused: ${detail}`;
  return `The gateway at ${http} does not accept the token: ${detail} \`turngate token\` makes a new one.`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
