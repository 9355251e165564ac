import type { Db } from './db.ts';
import { transaction } from './db.ts';

/** Sessions of one round, and events of one session that it looks at: whatever is left is due again at once. */
const sessionsPerRound = 20;
const eventsPerSession = 500;
/** A session is looked at again after at most this, also where the setting was longer before. */
const lastLookMs = 24 * 3_600_000;
/** What stays because its turn goes on is looked at again after this. */
const firstLookMs = 3_600_000;

/**
 * Removes the oldest events of sessions that are due: those that are older than `retentionMs` and belong to no turn, or to
 * one that ended that long ago. Only ever from the beginning, and `first_seq` goes on in the same transaction: so what
 * is kept has no holes, and whoever asks for more learns it. The lock of a session's row is held for one batch; several
 * workers share the work by `skip locked`.
 * @returns whether more may be due at once
 */
export async function removeOldEvents(db: Db, retentionMs: number): Promise<boolean> {
  return transaction(db, async (tx) => {
    const { rows: due } = await tx.query<{ id: string }>({
      name: 'due-for-retention',
      text: `select id from sessions where retention_at <= now()
             order by retention_at limit $1 for no key update skip locked`,
      values: [sessionsPerRound],
    });
    const ids = due.map(({ id }) => id);
    if (ids.length === 0) return false;
    const { rows } = await tx.query<{ is_cut: boolean }>({
      name: 'remove-old-events',
      text: `with oldest as (
           select s.id, e.seq, e.ts, coalesce(t.ended_at, case when t.id is null then e.ts end) as settled_at
           from sessions s
           cross join lateral (
             select seq, ts, turn_id from events
             where session_id = s.id and seq >= s.first_seq order by seq limit $3) e
           left join turns t on t.id = e.turn_id
           where s.id = any($1)
         ), kept as (
           -- The first that stays; null settles nothing: its turn goes on.
           select distinct on (id) id, seq, settled_at from oldest
           where settled_at is null or greatest(ts, settled_at) >= now() - $2 * interval '1 millisecond'
           order by id, seq
         ), border as (
           select o.id, coalesce(min(k.seq), max(o.seq) + 1) as first_seq,
             -- Nothing stays of a whole batch: the rest is due at once.
             min(k.seq) is null and count(*) = $3 as is_cut, 
             -- Where nothing stays, what comes is as old as now at most.
             case when min(k.seq) is null then now() else min(k.settled_at) end as settled_at
           from oldest o left join kept k on k.id = o.id group by o.id
         ), removed as (
           delete from events e using border b where e.session_id = b.id and e.seq < b.first_seq
         )
         update sessions s set first_seq = coalesce(b.first_seq, s.first_seq),
           retention_at = case when b.is_cut then now() else least(
             greatest(case when b.id is null then now() else b.settled_at end + $2 * interval '1 millisecond',
                      now() + least($2, $4) * interval '1 millisecond'),
             now() + $5 * interval '1 millisecond') end
         from unnest($1::text[]) as d(id) left join border b on b.id = d.id
         where s.id = d.id
         returning coalesce(b.is_cut, false) as is_cut`,
      values: [ids, retentionMs, eventsPerSession, firstLookMs, lastLookMs],
    });
    return ids.length === sessionsPerRound || rows.some(({ is_cut }) => is_cut);
  });
}
