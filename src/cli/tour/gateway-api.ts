import { z } from 'zod';
import { messagesPage, sessionView } from '../../protocol/http.ts';
import { eventFrame } from '../../protocol/server-frames.ts';
import type { DevInfo } from '../dev/dev-file.ts';
import { TourFailure } from './tour-failure.ts';

const requestBoundMs = 10_000;
const eventsPage = z.object({ events: z.array(eventFrame), last_seq: z.int() });

/** The gateway's HTTP API, as far as the tour needs it. Answers are checked by the schemas of the wire. */
export function gatewayApi(info: Pick<DevInfo, 'http' | 'token'>) {
  const call = async <T>(schema: z.ZodType<T>, path: string, body?: object): Promise<T> => {
    const response = await fetch(`${info.http}${path}`, {
      headers: { authorization: `Bearer ${info.token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(requestBoundMs),
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) {
      throw new TourFailure(
        `The tour failed: the gateway answered ${response.status} to ${path}: ${answer.slice(0, 300)}`,
      );
    }
    return schema.parse(JSON.parse(answer));
  };
  return {
    createSession: (title: string) => call(sessionView, '/v1/sessions', { title }),
    /** The stored conversation, oldest first. */
    messages: (sessionId: string) => call(messagesPage, `/v1/sessions/${sessionId}/messages?limit=200`),
    /** The stored events from the first. */
    events: (sessionId: string) => call(eventsPage, `/v1/sessions/${sessionId}/events?limit=200`),
  };
}
export type GatewayApi = ReturnType<typeof gatewayApi>;
