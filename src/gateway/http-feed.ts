import { z } from 'zod';
import { feedFrame, feedPage } from '../protocol/feed-frames.ts';
import { feedId } from '../protocol/feed-id.ts';
import { liveFrame } from '../protocol/live-frames.ts';
import type { Db } from '../store/db.ts';
import { readFeedPage } from '../store/feeds.ts';
import { wantsStream } from './credentials.ts';
import { feedFilter, filterOf } from './frame-filter.ts';
import { resumePoint } from './http-events.ts';
import { pageLimit, readQuery } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import type { SseStreams } from './sse-streams.ts';

const feedQuery = z.object({
  limit: pageLimit.describe('of a JSON page'),
  after: z.coerce.number().int().min(0).default(0),
  events: z.string().optional().describe('of an event stream: comma list of frame types'),
});

const about = {
  feed: {
    summary: 'Your feed after a seq: a page of it, or as server-sent events; over a WebSocket too.',
    query: feedQuery,
    answers: {
      200: { 'application/json': feedPage, 'text/event-stream': z.union([feedFrame, liveFrame]) },
    },
  },
} satisfies Record<string, RouteDescription>;

/** `GET /v1/feed` without an upgrade. */
export function serveFeed(router: HttpRouter, deps: { db: Db; streams: SseStreams }): void {
  router.get('/v1/feed', about.feed, async (call, identity) => {
    const { limit, after, events } = readQuery(feedQuery, call);
    const { tenant, userId } = identity;
    if (!wantsStream(call)) {
      return { status: 200, body: await readFeedPage(deps.db, { tenant, userId, after, limit }) };
    }
    const filter = feedFilter(filterOf(events ?? null));
    const place = { identity, sessionId: feedId(tenant, userId), device: null };
    const seat = await deps.streams.seat(call, place);
    return seat.stream({ lastSeq: resumePoint(call, after), filter });
  });
}
