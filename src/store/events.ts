import type { EventBody, EventFrame, EventType } from '../protocol/server-frames.ts';
import { webhookEventTypes } from '../protocol/webhooks.ts';
import type { Db, Tx } from './db.ts';
import { tellFeeds } from './feeds.ts';
import { pageChars, usualChars } from './page-bounds.ts';
import { tellWebhooks, wantedBy } from './webhooks.ts';

/** An event to be written. `key` is unique in its session: written twice, it happens once. */
export type NewEvent = {
  [T in EventType]: {
    key: string;
    type: T;
    /** Absent where the event belongs to no turn. */
    turnId?: string;
    /** The users who may see it; absent: every participant. */
    audience?: string[];
    body: EventBody<T>;
  };
}[EventType];

/** An event with its `seq`, and the users who may see it (null: every participant). */
export interface StoredEvent {
  frame: EventFrame;
  audience: string[] | null;
}

/**
 * Writes events under the session's row lock, which the caller holds: `seq` order and commit order are the
 * same, without gaps. Events whose key exists are left out.
 * @returns those written, in the order of `seq`; after the commit they go to `publishEvents` (src/live)
 */
export async function appendEvents(tx: Tx, sessionId: string, events: NewEvent[]): Promise<StoredEvent[]> {
  if (events.length === 0) return [];
  const { rows } = await tx.query<WrittenRow>({
    name: 'append-events',
    // An array of arrays must be rectangular, so the audiences travel as JSON.
    text: `with new as materialized (
         select e.key, e.type, e.turn_id, e.body, e.audience, row_number() over (order by e.ord) as n
         from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
           with ordinality as e(key, type, turn_id, body, audience, ord)
         where not exists (select 1 from events o where o.session_id = $1 and o.event_key = e.key)
       ), bumped as (
         update sessions set last_seq = last_seq + (select count(*) from new), updated_at = now()
         where id = $1 returning last_seq - (select count(*) from new) as base, tenant
       )
       insert into events (session_id, seq, event_key, type, turn_id, body, size, audience, ts)
       select $1, base + n, key, type, turn_id, body::jsonb, length(body),
         case when audience is not null then array(select jsonb_array_elements_text(audience::jsonb)) end,
         clock_timestamp()
       from new, bumped
       returning event_key as key, seq, ts, (select tenant from bumped) as tenant,
         case when type = any($7) then ${wantedBy('events.type', '(select tenant from bumped)')} end as wanted`,
    values: [
      sessionId,
      events.map((event) => event.key),
      events.map((event) => event.type),
      events.map((event) => event.turnId ?? null),
      events.map((event) => JSON.stringify(event.body)),
      events.map((event) => (event.audience === undefined ? null : JSON.stringify(event.audience))),
      webhookEventTypes,
    ],
  });
  const byKey = new Map(events.map((event) => [event.key, event]));
  const written = rows
    .toSorted((a, b) => a.seq - b.seq)
    .flatMap(({ key, seq, ts, tenant, wanted }) => {
      const event = byKey.get(key);
      if (!event) return [];
      const { type, turnId = null, body, audience = null } = event;
      const frame = toFrame(sessionId, { seq, ts, type, turn_id: turnId, body });
      return [{ frame, audience, tenant, endpoints: wanted ?? [] }];
    });
  const frames = written.map(({ frame }) => frame);
  await Promise.all([tellFeeds(tx, sessionId, frames), tellWebhooks(tx, written)]);
  return written.map(({ frame, audience }) => ({ frame, audience }));
}

interface WrittenRow {
  key: string;
  seq: number;
  ts: number;
  tenant: string;
  /** The webhook endpoints that want to hear of it. */
  wanted: string[] | null;
}

interface EventRow {
  seq: number;
  ts: number;
  type: string;
  turn_id: string | null;
  body: object;
}

function toFrame(sessionId: string, row: EventRow): EventFrame {
  const turn = row.turn_id === null ? {} : { turn_id: row.turn_id };
  return {
    type: row.type,
    seq: row.seq,
    session_id: sessionId,
    ts: row.ts,
    ...turn,
    ...row.body,
  } as EventFrame;
}

export interface EventRange {
  sessionId: string;
  /** `seq` before the first one wanted. */
  after: number;
  limit: number;
}

/**
 * The events after `after` that are kept, oldest first, at most `limit` and about a million characters together, for
 * whoever may see them: the caller looks at the audience. Where the first is not `after + 1`, those between were removed;
 * where there is none, there are none.
 */
export async function readEvents(db: Db | Tx, range: EventRange): Promise<StoredEvent[]> {
  const { rows } = await db.query<EventRow & { audience: string[] | null }>({
    name: 'read-events',
    text: `select seq, ts, type, turn_id, body, audience from (
             select e.*, sum(coalesce(size, $4)) over (order by seq) - coalesce(size, $4) as before
             from events e where session_id = $1 and seq > $2 order by seq limit $3) page
           where before < $5 order by seq`,
    values: [range.sessionId, range.after, range.limit, usualChars, pageChars],
  });
  return rows.map((row) => ({ frame: toFrame(range.sessionId, row), audience: row.audience }));
}

/** The `seq` of the event with this key, or null where it is not there (any more). */
export async function findEvent(db: Db, sessionId: string, key: string): Promise<number | null> {
  const { rows } = await db.query<{ seq: number }>({
    name: 'find-event',
    text: 'select seq from events where session_id = $1 and event_key = $2',
    values: [sessionId, key],
  });
  return rows[0]?.seq ?? null;
}

/** Whether this user may see an event. Every way out asks it. */
export function maySee(audience: readonly string[] | null, userId: string): boolean {
  return audience === null || audience.includes(userId);
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
