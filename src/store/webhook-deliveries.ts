import type { Db } from './db.ts';

/** A delivery that this worker may send, until its lease lapses. */
export interface DueDelivery {
  id: string;
  endpoint: string;
  payload: string;
  /** Which attempt this is, from 1, since it was written or sent again. */
  attempt: number;
  /** Of all there ever were: tells this lease from others. */
  lease: number;
}

/** What is tried this often without success no longer holds up what comes after it in its session. */
const attemptsThatHoldUp = 3;

/** Of a delivery `d`: one that was written before it in its session has to be through first. */
export const waitsForEarlier = `exists (select 1 from webhook_deliveries o
  where o.endpoint = d.endpoint and o.session_id = d.session_id and o.seq < d.seq
    and o.status = 'pending' and o.attempts - o.attempts_before < ${attemptsThatHoldUp})`;

/**
 * Takes what is due, for each of these endpoints as many as are free. The attempt is counted and the next one put off
 * by the lease: so one that dies with its worker is followed by another. Workers share the work by `skip locked`. What
 * was written later in a session waits for what was written before.
 */
export async function takeDueDeliveries(
  db: Db,
  request: { free: ReadonlyMap<string, number>; leaseMs: number },
): Promise<DueDelivery[]> {
  const { rows } = await db.query<DueDelivery>({
    name: 'take-due-deliveries',
    text: `with due as (
         select p.id from unnest($1::text[], $2::int[]) as e(name, free)
         join webhook_endpoints w on w.name = e.name and w.removed_at is null and w.disabled_at is null
           and (w.paused_until is null or w.paused_until <= now())
         cross join lateral (
           select d.id from webhook_deliveries d
           where d.endpoint = e.name and d.status = 'pending' and d.next_attempt_at <= now()
             and not ${waitsForEarlier}
           order by d.next_attempt_at, d.id limit e.free for update of d skip locked) p
       )
       update webhook_deliveries d set attempts = attempts + 1, last_attempt_at = now(),
         next_attempt_at = now() + $3 * interval '1 millisecond'
       from due where d.id = due.id
       returning d.id, d.endpoint, d.payload, d.attempts - d.attempts_before as attempt, d.attempts as lease`,
    values: [[...request.free.keys()], [...request.free.values()], request.leaseMs],
  });
  return rows.toSorted((one, other) => (one.id < other.id ? -1 : 1));
}

/** The receiver has it: that stands, also where the lease has lapsed meanwhile. */
export async function recordDelivered(db: Db, id: string, answer: { status: number }): Promise<void> {
  await db.query({
    name: 'record-webhook-delivered',
    text: `update webhook_deliveries
           set status = 'delivered', finished_at = now(), last_status = $2, last_error = null
           where id = $1 and status <> 'delivered'`,
    values: [id, answer.status],
  });
}

/**
 * It did not get through. It is tried again after `retryInMs`, unless that is null or later than `giveUpMs` after it was
 * written: then it is dead. What comes after it in its session is put off as well.
 * @returns what has become of it; null where another attempt has begun since
 */
export async function recordFailure(
  db: Db,
  due: DueDelivery,
  failure: { status: number | null; words: string; retryInMs: number | null; giveUpMs: number },
): Promise<'pending' | 'dead' | null> {
  const { rows } = await db.query<{ status: 'pending' | 'dead' }>({
    name: 'record-webhook-failure',
    text: `with next as (
         select id, due_since + $6::float8 * interval '1 millisecond' as last_call,
           now() + $5::float8 * interval '1 millisecond' as at
         from webhook_deliveries where id = $1 and attempts = $2 and status = 'pending' for update
       ), failed as (
         update webhook_deliveries d set last_status = $3, last_error = $4,
           next_attempt_at = coalesce(n.at, now()),
           status = case when n.at <= n.last_call then 'pending' else 'dead' end,
           finished_at = case when n.at <= n.last_call then null else now() end
         from next n where d.id = n.id
         returning d.endpoint, d.session_id, d.seq, d.status, d.next_attempt_at,
           d.attempts - d.attempts_before as tried
       ), put_off as (
         update webhook_deliveries d set next_attempt_at = f.next_attempt_at from failed f
         where f.status = 'pending' and f.tried < $7 and d.endpoint = f.endpoint and d.session_id = f.session_id
           and d.seq > f.seq and d.status = 'pending' and d.next_attempt_at < f.next_attempt_at
       )
       select status from failed`,
    values: [
      due.id,
      due.lease,
      failure.status,
      failure.words,
      failure.retryInMs,
      failure.giveUpMs,
      attemptsThatHoldUp,
    ],
  });
  return rows[0]?.status ?? null;
}

/** Rows that one round removes. */
const removedAtOnce = 1_000;

/** Removes what was delivered or given up longer ago than `retentionMs`. @returns whether more may be due at once */
export async function removeOldDeliveries(db: Db, retentionMs: number): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'remove-old-deliveries',
    text: `delete from webhook_deliveries where id in (
             select id from webhook_deliveries
             where status <> 'pending' and finished_at < now() - $1 * interval '1 millisecond'
             order by finished_at limit $2 for update skip locked)`,
    values: [retentionMs, removedAtOnce],
  });
  return (rowCount ?? 0) >= removedAtOnce;
}
