import { z } from 'zod';
import { nextEvents } from './page.ts';
import { type EventFrame, eventBodies } from './server-frames.ts';

/** Events that a user's feed tells, and whom: those who may answer, or everybody who takes part. */
export const feedReaders = {
  tool_approval_request: 'answerers',
  tool_approval_reminder: 'answerers',
  tool_approval_vote: 'answerers',
  tool_approval_resolved: 'answerers',
  input_request: 'answerers',
  input_resolved: 'answerers',
  session_updated: 'everybody',
} as const satisfies Partial<Record<EventFrame['type'], 'answerers' | 'everybody'>>;
export type FeedType = keyof typeof feedReaders;
export type FeedEvent = Extract<EventFrame, { type: FeedType }>;

const position = {
  seq: z.int().positive().describe('counts this feed, from 1, without a gap'),
  session_id: z.string(),
  session_seq: z.int().nonnegative().describe('the seq of the event in its session; 0: the session was made'),
  ts: z.int().describe('milliseconds since 1970'),
  turn_id: z.string().optional(),
};
const item = <T extends FeedType, S extends z.core.$ZodShape>(type: T, body: z.ZodObject<S>) =>
  z.object({ type: z.literal(type), ...position, ...body.shape });

/** Durable frames of `/v1/feed`. */
export const feedFrame = z.discriminatedUnion('type', [
  item('tool_approval_request', eventBodies.tool_approval_request),
  item('tool_approval_reminder', eventBodies.tool_approval_reminder),
  item('tool_approval_vote', eventBodies.tool_approval_vote),
  item('tool_approval_resolved', eventBodies.tool_approval_resolved),
  item('input_request', eventBodies.input_request),
  item('input_resolved', eventBodies.input_resolved),
  item('session_updated', eventBodies.session_updated).extend({
    removed: z
      .literal(true)
      .optional()
      .describe('you take no part in the session any more, or it is gone; nothing else is said of it'),
  }),
]);
export type FeedFrame = z.infer<typeof feedFrame>;

/** A page of a feed. */
export const feedPage = z.object({
  items: z.array(feedFrame),
  last_seq: z.int().nonnegative().describe('where the feed is'),
  next: nextEvents,
  resync: z
    .object({ reason: z.string(), last_seq: z.int().nonnegative() })
    .optional()
    .describe('items after `after` are no longer kept; those here begin after `last_seq`'),
});
export type FeedPage = z.infer<typeof feedPage>;

export function isFeedEvent(event: EventFrame): event is FeedEvent {
  return Object.hasOwn(feedReaders, event.type);
}
