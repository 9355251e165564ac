import {
  type FeedEvent,
  type FeedFrame,
  type FeedPage,
  feedReaders,
  isFeedEvent,
} from '../protocol/feed-frames.ts';
import { feedId, feedOwner } from '../protocol/feed-id.ts';
import { rightHolders } from '../protocol/roles.ts';
import type { EventFrame } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';
import { noteFeedNews } from './feed-news.ts';
import { pageChars, usualChars } from './page-bounds.ts';

/**
 * Writes the events that belong there into the feeds of the session's participants, in the transaction that wrote
 * them; for all others it costs nothing. The caller holds the session's row lock. All feeds of the session are locked,
 * in the order of the users' ids, also those that nothing is said to: so a second call in the same transaction locks
 * nothing new, and no two transactions wait for each other. Who writes to several sessions has locked all of them.
 * Whoever is about to leave the session takes part until after this.
 */
export async function tellFeeds(tx: Tx, sessionId: string, events: EventFrame[]): Promise<void> {
  const told = events.filter(isFeedEvent);
  if (told.length > 0) await writeItems(tx, { sessionId, items: told.map(toItem) });
}

/** Tells the feeds of those who take part that the session has been made. */
export async function tellOfNewSession(tx: Tx, sessionId: string): Promise<void> {
  const made = { seq: 0, ts: null, isForEverybody: true };
  await writeItems(tx, { sessionId, items: [made] });
}

interface NewItem {
  seq: number;
  /** null: now. */
  ts: number | null;
  isForEverybody: boolean;
}

function toItem(event: FeedEvent): NewItem {
  return { seq: event.seq, ts: event.ts, isForEverybody: feedReaders[event.type] === 'everybody' };
}

async function writeItems(tx: Tx, news: { sessionId: string; items: NewItem[] }): Promise<void> {
  const { rows } = await tx.query<{ tenant: string; user_id: string; last_seq: number }>({
    name: 'tell-feeds',
    text: `with item as (
         select * from unnest($2::bigint[], $3::bigint[], $4::boolean[]) as i(session_seq, ts, everybody)
       ), reader as (
         select s.tenant, p.user_id, p.role = any($5) as answers
         from participants p join sessions s on s.id = p.session_id where s.id = $1
       ), share as (
         select r.tenant, r.user_id, i.session_seq, i.ts,
           row_number() over (partition by r.user_id order by i.session_seq) as n
         from reader r join item i on i.everybody or r.answers
       ), grown as (
         insert into feeds as f (tenant, user_id, last_seq)
         select r.tenant, r.user_id, (select count(*) from share s where s.user_id = r.user_id)
         from reader r order by r.user_id
         on conflict (tenant, user_id) do update set last_seq = f.last_seq + excluded.last_seq
         returning tenant, user_id, last_seq
       )
       insert into feed_items (tenant, user_id, seq, session_id, session_seq, ts)
       select s.tenant, s.user_id,
         g.last_seq - count(*) over (partition by s.user_id) + s.n, $1, s.session_seq,
         coalesce(to_timestamp(s.ts / 1000.0), now())
       from share s join grown g using (tenant, user_id)
       returning tenant, user_id, seq as last_seq`,
    values: [
      news.sessionId,
      news.items.map((item) => item.seq),
      news.items.map((item) => item.ts),
      news.items.map((item) => item.isForEverybody),
      rightHolders.decide,
    ],
  });
  for (const row of rows.toSorted((a, b) => a.last_seq - b.last_seq)) {
    noteFeedNews(tx, { feedId: feedId(row.tenant, row.user_id), lastSeq: row.last_seq });
  }
}

interface ItemRow {
  seq: number;
  session_id: string;
  session_seq: number;
  ts: number;
  is_mine: boolean;
  type: FeedFrame['type'] | null;
  turn_id: string | null;
  body: object | null;
}

/**
 * The items of a feed after `after`, oldest first, at most `limit` and about a million characters together. What belongs to a session in which the user takes
 * no part any more, or that is gone, says only that.
 */
export async function readFeed(
  db: Db | Tx,
  range: { tenant: string; userId: string; after: number; limit: number },
): Promise<FeedFrame[]> {
  const { rows } = await db.query<ItemRow>({
    name: 'read-feed',
    text: `select seq, session_id, session_seq, ts, is_mine, turn_id, type, body from (
         select f.seq, f.session_id, f.session_seq, f.ts, s.id is not null as is_mine, e.turn_id,
           case when f.session_seq = 0 then 'session_updated' else e.type end as type,
           case when f.session_seq = 0 then jsonb_build_object('title', s.title, 'state', s.state) else e.body end as body,
           sum(coalesce(e.size, $5)) over (order by f.seq) - coalesce(e.size, $5) as before
         from feed_items f
         left join participants p on p.session_id = f.session_id and p.user_id = f.user_id
         left join sessions s on s.id = p.session_id and s.deleted_at is null
         left join events e on e.session_id = s.id and e.seq = f.session_seq
           and (e.audience is null or f.user_id = any(e.audience))
         where f.tenant = $1 and f.user_id = $2 and f.seq > $3 order by f.seq limit $4) page
       where before < $6 order by seq`,
    values: [range.tenant, range.userId, range.after, range.limit, usualChars, pageChars],
  });
  return rows.map(toFrame);
}

/** A page of a feed, with what a reader has to know who goes on from it. */
export async function readFeedPage(
  db: Db,
  range: { tenant: string; userId: string; after: number; limit: number },
): Promise<FeedPage> {
  // In this order: what is not in the page up to here was removed.
  const lastSeq = await feedLastSeq(db, range);
  const items = await readFeed(db, range);
  const first = items[0]?.seq ?? lastSeq + 1;
  const reached = items.at(-1)?.seq ?? lastSeq;
  return {
    ...(first > range.after + 1 ? { resync: { reason: 'retention', last_seq: first - 1 } } : {}),
    items,
    last_seq: Math.max(lastSeq, reached),
    next: reached < lastSeq ? reached : null,
  };
}

function toFrame(row: ItemRow): FeedFrame {
  const { seq, session_id, session_seq, ts } = row;
  const position = { seq, session_id, session_seq, ts };
  if (!row.is_mine) return { type: 'session_updated', ...position, removed: true };
  // Its event was old and is gone, a moment before the item itself goes.
  if (row.type === null) return { type: 'session_updated', ...position };
  const turn = row.turn_id === null ? {} : { turn_id: row.turn_id };
  return { type: row.type, ...position, ...turn, ...row.body } as FeedFrame;
}

/** Where a feed is; one that nothing was told to yet is at 0. */
export async function feedLastSeq(db: Db, owner: { tenant: string; userId: string }): Promise<number> {
  return (await feedLastSeqs(db, [feedId(owner.tenant, owner.userId)])).values().next().value ?? 0;
}

/** The last `seq` of each of these feeds that has one, by their ids. */
export async function feedLastSeqs(db: Db, feedIds: string[]): Promise<Map<string, number>> {
  const owners = feedIds.flatMap((id) => feedOwner(id) ?? []);
  const { rows } = await db.query<{ tenant: string; user_id: string; last_seq: number }>({
    name: 'feed-last-seqs',
    text: `select f.tenant, f.user_id, f.last_seq from feeds f
           join unnest($1::text[], $2::text[]) as o(tenant, user_id) using (tenant, user_id)`,
    values: [owners.map(({ tenant }) => tenant), owners.map(({ userId }) => userId)],
  });
  return new Map(rows.map((row) => [feedId(row.tenant, row.user_id), row.last_seq]));
}
