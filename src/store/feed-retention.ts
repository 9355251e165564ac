import type { Db } from './db.ts';

/** Old items that one round looks at, and that it removes of one feed at most. */
const itemsPerRound = 1_000;

/**
 * Removes items of feeds that are older than `retentionMs`. Only ever from the beginning of a feed, so what is kept has
 * no holes, and whoever asks for more gets `resync`.
 * @returns whether more may be due at once
 */
export async function removeOldFeedItems(db: Db, retentionMs: number): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'remove-old-feed-items',
    text: `with due as (
         select tenant, user_id, min(seq) as first_seq from (
           select tenant, user_id, seq from feed_items
           where ts < now() - $1 * interval '1 millisecond' order by ts limit $2) o
         group by tenant, user_id
       ), border as (
         -- Items of one moment may be numbered in another order than their times: the first young one ends it.
         select d.tenant, d.user_id, least(d.first_seq + $2, (
           select f.seq from feed_items f
           where f.tenant = d.tenant and f.user_id = d.user_id and f.ts >= now() - $1 * interval '1 millisecond'
           order by f.seq limit 1)) as seq
         from due d
       )
       delete from feed_items f using border b
       where f.tenant = b.tenant and f.user_id = b.user_id and f.seq < b.seq`,
    values: [retentionMs, itemsPerRound],
  });
  return (rowCount ?? 0) >= itemsPerRound;
}
