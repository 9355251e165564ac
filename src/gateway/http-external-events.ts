import { v7 as uuidv7 } from 'uuid';
import type { LivePlane } from '../live/port.ts';
import { publishEvents } from '../live/publish-events.ts';
import { PublicError } from '../protocol/errors.ts';
import { externalEventAnswer, externalEventBody } from '../protocol/external-events.ts';
import { limits } from '../protocol/limits.ts';
import { isCleanText } from '../protocol/text.ts';
import type { Db } from '../store/db.ts';
import { writeExternalEvent } from '../store/external-events.ts';
import { HttpFault } from './http-answer.ts';
import { valid } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { RateLimit } from './rate-limit.ts';
import { requireService } from './service-role.ts';

const maxUserIdChars = 200;

const about = {
  send: {
    summary:
      'Tells all sessions of a user that something happened elsewhere; with an `id`, sending it again is safe.',
    body: externalEventBody,
    answers: { 202: externalEventAnswer },
  },
} satisfies Record<string, RouteDescription>;

/** `/v1/users/{user_id}/events`: what backends tell the sessions of a user, in the tenant of their token. */
export function serveExternalEvents(router: HttpRouter, deps: { db: Db; live: LivePlane }): void {
  const rate = new RateLimit({
    perSecond: limits.externalEventsPerSecond,
    burst: limits.externalEventsBurst,
  });

  router.post('/v1/users/:user_id/events', about.send, async (call, identity) => {
    requireService(identity, 'Sending events to users');
    const { tenant } = identity;
    const userId = userIn(call.id);
    const waitMs = rate.take(tenant);
    if (waitMs > 0) throw tooMany(waitMs);
    const { id = uuidv7(), event_type, event_data } = valid(externalEventBody, await call.body());
    const event = { tenant, userId, eventId: id, eventType: event_type, eventData: event_data };
    const body = await writeExternalEvent(deps.db, event, (sessionId, events) =>
      publishEvents(deps.live, sessionId, events),
    );
    return { status: 202, body };
  });
}

/** The user that the path names; their id may hold anything, so it comes percent-encoded. */
function userIn(segment: string): string {
  let userId: string;
  try {
    userId = decodeURIComponent(segment);
  } catch {
    throw new PublicError('validation_error', 'The user in the path is not percent-encoded as UTF-8.');
  }
  if (userId !== '' && userId.length <= maxUserIdChars && isCleanText(userId)) return userId;
  throw new PublicError('validation_error', `A user has 1 to ${maxUserIdChars} characters, and no NUL.`);
}

function tooMany(waitMs: number): HttpFault {
  const seconds = Math.ceil(waitMs / 1_000);
  const words = `More than ${limits.externalEventsPerSecond} events a second come from this tenant. Send it again in ${seconds} s.`;
  return new HttpFault(429, 'rate_limit', words, { headers: [['Retry-After', String(seconds)]] });
}
