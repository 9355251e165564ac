import { publishEvents } from '../../src/live/publish-events.ts';
import { lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents, type NewEvent } from '../../src/store/events.ts';
import type { GatewayHarness } from './gateway.ts';

/** An event of the session that only `audience` may see; undefined: everybody. */
export async function tell(
  harness: GatewayHarness,
  sessionId: string,
  word: string,
  audience?: string[],
): Promise<void> {
  const event: NewEvent = {
    key: `external:${word}`,
    type: 'external_event',
    ...(audience === undefined ? {} : { audience }),
    body: { event_id: word, event_type: 'test', event_data: { word } },
  };
  const written = await transaction(harness.db, async (tx) => {
    await lockSession(tx, sessionId);
    return appendEvents(tx, sessionId, [event]);
  });
  publishEvents(harness.worker, sessionId, written);
}
