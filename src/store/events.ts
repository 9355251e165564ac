import type { EventBody, EventFrame, EventType } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';
import { tellFeeds } from './feeds.ts';

/** An event to be written. `key` is unique in its session: written twice, it happens once. */
export type NewEvent = {
  [T in EventType]: { key: string; type: T; turnId: string; body: EventBody<T> };
}[EventType];

/**
 * Writes events under the session's row lock, which the caller holds: `seq` order and commit order are the
 * same, without gaps. Events whose key exists are left out.
 * @returns the durable frames of those written, in the order of `seq`
 */
export async function appendEvents(tx: Tx, sessionId: string, events: NewEvent[]): Promise<EventFrame[]> {
  if (events.length === 0) return [];
  const { rows } = await tx.query<{ key: string; seq: number; ts: number }>({
    name: 'append-events',
    text: `with new as materialized (
         select e.key, e.type, e.turn_id, e.body, row_number() over (order by e.ord) as n
         from unnest($2::text[], $3::text[], $4::text[], $5::text[]) with ordinality as e(key, type, turn_id, body, ord)
         where not exists (select 1 from events o where o.session_id = $1 and o.event_key = e.key)
       ), bumped as (
         update sessions set last_seq = last_seq + (select count(*) from new), updated_at = now()
         where id = $1 returning last_seq - (select count(*) from new) as base
       )
       insert into events (session_id, seq, event_key, type, turn_id, body, ts)
       select $1, base + n, key, type, turn_id, body::jsonb, clock_timestamp() from new, bumped
       returning event_key as key, seq, ts`,
    values: [
      sessionId,
      events.map((event) => event.key),
      events.map((event) => event.type),
      events.map((event) => event.turnId),
      events.map((event) => JSON.stringify(event.body)),
    ],
  });
  const byKey = new Map(events.map((event) => [event.key, event]));
  const frames = rows
    .toSorted((a, b) => a.seq - b.seq)
    .flatMap((row) => {
      const event = byKey.get(row.key);
      return event ? [toFrame(sessionId, row.seq, row.ts, event.type, event.turnId, event.body)] : [];
    });
  await tellFeeds(tx, sessionId, frames);
  return frames;
}

function toFrame(
  sessionId: string,
  seq: number,
  ts: number,
  type: string,
  turnId: string | null,
  body: object,
): EventFrame {
  const turn = turnId === null ? {} : { turn_id: turnId };
  return { type, seq, session_id: sessionId, ts, ...turn, ...body } as EventFrame;
}

/** The durable frames after `after`, oldest first, at most `limit`. */
export async function readEvents(
  db: Db | Tx,
  range: { sessionId: string; after: number; limit: number },
): Promise<EventFrame[]> {
  const { rows } = await db.query<{
    seq: number;
    ts: number;
    type: string;
    turn_id: string | null;
    body: object;
  }>({
    name: 'read-events',
    text: `select seq, ts, type, turn_id, body from events
           where session_id = $1 and seq > $2 order by seq limit $3`,
    values: [range.sessionId, range.after, range.limit],
  });
  return rows.map((row) => toFrame(range.sessionId, row.seq, row.ts, row.type, row.turn_id, row.body));
}

/** The last `seq` of each session that exists. */
export async function lastSeqs(db: Db, sessionIds: string[]): Promise<Map<string, number>> {
  const { rows } = await db.query<{ id: string; last_seq: number }>({
    name: 'last-seqs',
    text: 'select id, last_seq from sessions where id = any($1)',
    values: [sessionIds],
  });
  return new Map(rows.map((row) => [row.id, row.last_seq]));
}
