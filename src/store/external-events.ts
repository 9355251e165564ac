import { PublicError } from '../protocol/errors.ts';
import type { ExternalEventAnswer } from '../protocol/external-events.ts';
import { limits } from '../protocol/limits.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';
import { transaction } from './db.ts';
import { appendEvents, type StoredEvent } from './events.ts';

/** Sessions that one transaction locks and writes to. */
const chunkSessions = 50;

export interface ExternalEvent {
  tenant: string;
  userId: string;
  eventId: string;
  eventType: string;
  eventData: EventBody<'external_event'>['event_data'];
}

/**
 * Writes an event, for this user's eyes alone, into every session of theirs that is not closed: the newest ones, up to
 * a bound. A transaction for each few sessions, in the order of their ids; who repeats the event after a crash in
 * between completes the rest, and doubles nothing.
 * @param written called after each commit, with what is to be published
 * @throws PublicError `conflict` when the id was used for another event
 */
export async function writeExternalEvent(
  db: Db,
  event: ExternalEvent,
  written: (sessionId: string, events: StoredEvent[]) => void,
): Promise<ExternalEventAnswer> {
  const found = await openSessions(db, event);
  const sessionIds = found.slice(0, limits.externalEventSessions).toSorted();
  let sessions = 0;
  for (let start = 0; start < sessionIds.length; start += chunkSessions) {
    const chunk = sessionIds.slice(start, start + chunkSessions);
    const told = await transaction(db, (tx) => writeChunk(tx, event, chunk));
    for (const { sessionId, events } of told) written(sessionId, events);
    sessions += told.length;
  }
  return { event_id: event.eventId, sessions, skipped: found.length > sessionIds.length };
}

const keyOf = ({ userId, eventId }: ExternalEvent) => `external:${userId}:${eventId}`;

async function openSessions(db: Db, { tenant, userId }: ExternalEvent): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    name: 'open-sessions-of-user',
    text: `select s.id from participants p join sessions s on s.id = p.session_id
           where p.user_id = $2 and s.tenant = $1 and s.state <> 'closed' and s.deleted_at is null
           order by s.id desc limit $3`,
    values: [tenant, userId, limits.externalEventSessions + 1],
  });
  return rows.map(({ id }) => id);
}

async function writeChunk(
  tx: Tx,
  event: ExternalEvent,
  chunk: string[],
): Promise<{ sessionId: string; events: StoredEvent[] }[]> {
  const locked = tx.query<{ id: string }>({
    name: 'lock-open-sessions',
    text: `select id from sessions where id = any($1) and state <> 'closed' and deleted_at is null
           order by id for no key update`,
    values: [chunk],
  });
  const key = keyOf(event);
  const body = { event_id: event.eventId, event_type: event.eventType, event_data: event.eventData };
  const other = tx.query({
    name: 'find-other-external-event',
    text: `select 1 from events where session_id = any($1) and event_key = $2 and body <> $3::jsonb limit 1`,
    values: [chunk, key, JSON.stringify(body)],
  });
  const [{ rows }, { rowCount }] = await Promise.all([locked, other]);
  if (rowCount === 1) {
    throw new PublicError(
      'conflict',
      'An event with this id was already sent with other content; use a new id for a new event.',
    );
  }
  return Promise.all(
    rows.map(async ({ id: sessionId }) => ({
      sessionId,
      events: await appendEvents(tx, sessionId, [
        { key, type: 'external_event', audience: [event.userId], body },
      ]),
    })),
  );
}
