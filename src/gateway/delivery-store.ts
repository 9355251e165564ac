import { feedOwner } from '../protocol/feed-id.ts';
import type { Db } from '../store/db.ts';
import { readDraft } from '../store/drafts.ts';
import { lastSeqs, readEvents } from '../store/events.ts';
import { feedLastSeq, feedLastSeqs, readFeed } from '../store/feeds.ts';
import { readLiveState } from '../store/live-state.ts';
import type { HubsStore } from './session-hubs.ts';

/** Nothing runs in a feed. */
const still = { turn: null, queued: [], stream: null, waiting: [], runningTools: [], asking: [] };

/**
 * What delivery reads: of sessions by their ids, and of feeds by theirs. To hubs and connections a feed is a session
 * in which nothing runs.
 */
export function deliveryStore(db: Db): HubsStore {
  return {
    async readLiveState(id) {
      const owner = feedOwner(id);
      return owner ? { ...still, lastSeq: await feedLastSeq(db, owner) } : readLiveState(db, id);
    },
    async readEvents(range) {
      const owner = feedOwner(range.sessionId);
      if (!owner) return readEvents(db, range);
      const { after, limit } = range;
      const items = await readFeed(db, { ...owner, after, limit });
      return items.map((frame) => ({ frame, audience: null }));
    },
    readDraft: (messageId) => readDraft(db, messageId),
    async lastSeqs(ids) {
      const feedIds = ids.filter((id) => feedOwner(id) !== null);
      if (feedIds.length === 0) return lastSeqs(db, ids);
      const sessionIds = ids.filter((id) => feedOwner(id) === null);
      const [ofSessions, ofFeeds] = await Promise.all([lastSeqs(db, sessionIds), feedLastSeqs(db, feedIds)]);
      return new Map([...ofSessions, ...ofFeeds]);
    },
  };
}
