import type { EventFrame } from '../protocol/server-frames.ts';
import type { LivePlane } from './port.ts';

/**
 * Publishes what `appendEvents` answered, after its commit. Events that not every participant may see are never
 * on the plane by their content: they are announced, and gateways read them with their audience from the store.
 */
export function publishEvents(
  live: Pick<LivePlane, 'publish'>,
  sessionId: string,
  events: readonly { frame: EventFrame; audience: readonly string[] | null }[],
): void {
  const last = events.at(-1);
  if (!last) return;
  if (events.some(({ audience }) => audience !== null)) {
    live.publish({ kind: 'announce', sessionId, lastSeq: last.frame.seq });
  } else {
    live.publish({ kind: 'events', sessionId, events: events.map(({ frame }) => frame) });
  }
}
