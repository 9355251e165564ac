import type { LivePlane } from '../live/port.ts';
import type { Db } from '../store/db.ts';
import { onFeedNews } from '../store/feed-news.ts';

/**
 * Announces on the live plane which feeds a process has made longer. An announcement and not the items: one approval
 * is in the feeds of many, few of whom are connected, and who serves such a feed reads it once.
 */
export function announceFeeds(db: Db, live: Pick<LivePlane, 'publish'>): void {
  onFeedNews(db, ({ feedId, lastSeq }) => live.publish({ kind: 'announce', sessionId: feedId, lastSeq }));
}
