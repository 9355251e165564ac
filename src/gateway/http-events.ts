import { z } from 'zod';
import { messageFrame } from '../protocol/client-frames.ts';
import { PublicError } from '../protocol/errors.ts';
import { type EventsPage, eventsPage } from '../protocol/http.ts';
import { type AckFrame, ackFrame } from '../protocol/live-frames.ts';
import { type ServerFrame, serverFrame } from '../protocol/server-frames.ts';
import type { Db } from '../store/db.ts';
import { findEvent, lastSeqs, maySee, readEvents } from '../store/events.ts';
import type { Identity } from './auth.ts';
import type { Commands } from './commands.ts';
import { wantsStream } from './credentials.ts';
import { deviceOf } from './device-name.ts';
import { type FrameFilter, filterOf } from './frame-filter.ts';
import { allowedSession, callerOf } from './http-access.ts';
import type { HttpStream } from './http-answer.ts';
import type { HttpCall } from './http-call.ts';
import { pageLimit, readQuery } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { bodyAs } from './read-frame.ts';
import type { SseStreams, StreamContent } from './sse-streams.ts';
import { turnFilter } from './turn-filter.ts';

const seq = z.coerce.number().int().min(0);
const eventsQuery = z.object({
  limit: pageLimit.describe('of a JSON page'),
  after: seq.default(0),
  events: z.string().optional().describe('comma list of frame types; the others are left out'),
  device: z.string().optional().describe('of an event stream: the name of this client instance'),
});

const about = {
  events: {
    summary: 'Events after a seq, in their order: a page of them, or as server-sent events with deltas.',
    query: eventsQuery,
    answers: { 200: { 'application/json': eventsPage, 'text/event-stream': serverFrame } },
  },
  say: {
    summary:
      'Sends a message; with an `id`, sending it again is safe. As server-sent events: the ack, then the turn.',
    body: messageFrame.omit({ type: true }),
    answers: { 200: { 'text/event-stream': serverFrame }, 202: ackFrame },
  },
} satisfies Record<string, RouteDescription>;

interface EventsDeps {
  db: Db;
  commands: Commands;
  streams: SseStreams;
}

/** What a session says, and saying something to it: as JSON or as a stream, as the client asks for it. */
export function serveEvents(router: HttpRouter, deps: EventsDeps): void {
  const { db, commands } = deps;

  router.get('/v1/sessions/:id/events', about.events, async (call, identity) => {
    const query = readQuery(eventsQuery, call);
    const filter = filterOf(query.events ?? null);
    const sessionId = await allowedSession(db, call, identity);
    if (wantsStream(call)) {
      return streamSession(deps, call, { identity, sessionId, filter, after: query.after });
    }
    const range = { sessionId, after: query.after, limit: query.limit };
    return { status: 200, body: await readEventsPage(db, { ...range, userId: identity.userId, filter }) };
  });

  router.post('/v1/sessions/:id/messages', about.say, async (call, identity) => {
    const caller = await callerOf(db, call, identity);
    const frame = bodyAs('message', await call.body());
    if (!wantsStream(call)) {
      const done = await commands.message(caller, frame);
      return { status: 202, body: done.ack, after: () => done.spread() };
    }
    // The place first: a message that is committed and then refused a stream would be said twice.
    const { sessionId } = caller;
    const seat = await deps.streams.seat(call, { identity, sessionId, device: null });
    try {
      const done = await commands.message(caller, frame);
      done.spread();
      return seat.stream(await turnOf(db, sessionId, done.ack));
    } catch (error) {
      seat.leave();
      throw error;
    }
  });
}

/** Where a stream begins: a reader who lost it knows better where it is than its address does. */
export function resumePoint(call: HttpCall, after: number): number {
  const last = seq.safeParse(call.lastEventId);
  return call.lastEventId !== '' && last.success ? last.data : after;
}

async function streamSession(
  deps: EventsDeps,
  call: HttpCall,
  reading: { identity: Identity; sessionId: string; filter: FrameFilter | null; after: number },
): Promise<HttpStream> {
  const { identity, sessionId, filter, after } = reading;
  const device = deviceOf(call.query);
  if ('invalid' in device) throw new PublicError('validation_error', device.invalid);
  const lastSeq = resumePoint(call, after);
  const seat = await deps.streams.seat(call, { identity, sessionId, device: device.name });
  return seat.stream({ lastSeq, filter });
}

/** The stream of one turn: the ack, then what belongs to the turn, to its end. */
async function turnOf(db: Db, sessionId: string, ack: AckFrame): Promise<StreamContent> {
  const turnId = ack.turn_id ?? '';
  // The message is committed: where its event cannot be found now, the stream looks from the session's beginning.
  const saved = await findEvent(db, sessionId, `message_saved:${ack.message_id}`).catch(() => undefined);
  const isEnd = (frame: ServerFrame) => frame.type === 'turn_end' && frame.turn_id === turnId;
  return {
    filter: turnFilter(turnId),
    greeting: ack,
    // A turn of long ago, of which no event is kept: its story is in the history.
    lastSeq: (saved ?? 1) - 1,
    isLast: (frame: ServerFrame) => isEnd(frame) || (saved === null && frame.type === 'resync'),
  };
}

/** A page of what this user may see. `next` is the `after` of the next page, and `resync` says what is not kept. */
async function readEventsPage(
  db: Db,
  wanted: {
    sessionId: string;
    userId: string;
    after: number;
    limit: number;
    filter: FrameFilter | null;
  },
): Promise<EventsPage> {
  const { sessionId, userId, after, limit, filter } = wanted;
  // In this order: what is not in the page up to here was removed.
  const last_seq = (await lastSeqs(db, [sessionId])).get(sessionId) ?? 0;
  const page = await readEvents(db, { sessionId, after, limit });
  const first = page[0]?.frame.seq ?? last_seq + 1;
  const reached = page.at(-1)?.frame.seq ?? last_seq;
  const shown = page.filter(({ frame, audience }) => maySee(audience, userId) && (!filter || filter(frame)));
  return {
    ...(first > after + 1 ? { resync: { reason: 'retention', last_seq: first - 1 } } : {}),
    events: shown.map(({ frame }) => frame),
    last_seq: Math.max(last_seq, reached),
    next: reached < last_seq ? reached : null,
  };
}
