import type { Db, Tx } from './db.ts';

/** A feed that has got longer, and up to which `seq`. */
export interface FeedNews {
  feedId: string;
  lastSeq: number;
}

type Listener = (news: FeedNews) => void;

const listeners = new WeakMap<Db, Listener>();
const written = new WeakMap<Tx, Map<string, number>>();

/** Calls `listener` for each feed that a committed transaction of this pool has made longer. It must not throw. */
export function onFeedNews(db: Db, listener: Listener): void {
  listeners.set(db, listener);
}

/** Keeps what this transaction wrote until it is known whether it is committed. */
export function noteFeedNews(tx: Tx, news: FeedNews): void {
  const noted = written.get(tx) ?? new Map<string, number>();
  noted.set(news.feedId, news.lastSeq);
  written.set(tx, noted);
}

/** To be called once after each transaction: connections are used again. */
export function settleFeedNews(db: Db, tx: Tx, isCommitted: boolean): void {
  const noted = written.get(tx);
  if (!noted) return;
  written.delete(tx);
  const listener = listeners.get(db);
  if (isCommitted && listener) for (const [feedId, lastSeq] of noted) listener({ feedId, lastSeq });
}
