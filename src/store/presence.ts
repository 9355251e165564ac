import { v7 as uuidv7 } from 'uuid';
import type { SessionState } from '../protocol/frame-parts.ts';
import type { PresenceFrame } from '../protocol/live-frames.ts';
import { type Db, lockSession, type Tx, transaction } from './db.ts';
import { appendEvents, type StoredEvent } from './events.ts';

export interface SessionPresence {
  state: SessionState;
  /** Ordered by user. */
  users: PresenceFrame['users'];
}

/** Who is connected to each of these sessions, on any gateway; sessions that do not exist are left out. */
export async function readPresence(db: Db, sessionIds: string[]): Promise<Map<string, SessionPresence>> {
  const { rows } = await db.query<{
    id: string;
    state: SessionState;
    user_id: string | null;
    devices: number | null;
  }>({
    name: 'read-presence',
    text: `select s.id, s.state, c.user_id, c.devices from sessions s
           left join (
             select session_id, user_id, count(*)::integer as devices from connections
             where session_id = any($1) group by session_id, user_id
           ) c on c.session_id = s.id
           where s.id = any($1) order by s.id, c.user_id`,
    values: [sessionIds],
  });
  const found = new Map<string, SessionPresence>();
  for (const { id, state, user_id: userId, devices } of rows) {
    const presence = found.get(id) ?? { state, users: [] };
    found.set(id, presence);
    if (userId !== null && devices !== null) presence.users.push({ user_id: userId, devices });
  }
  return found;
}

export interface StateChange {
  sessionId: string;
  events: StoredEvent[];
}

/**
 * Looks at one session that was left: suspends it when it is active and nobody is there.
 * @returns null when no look is due; otherwise the session, with events if it was suspended
 */
export async function suspendNextLeft(db: Db): Promise<StateChange | null> {
  return transaction(db, async (tx) => {
    const { rows } = await tx.query<{ session_id: string }>({
      name: 'take-vacancy',
      text: `delete from vacancies where session_id = (
               select session_id from vacancies where due_at <= now()
               order by due_at limit 1 for update skip locked)
             returning session_id`,
    });
    const sessionId = rows[0]?.session_id;
    if (sessionId === undefined) return null;
    return { sessionId, events: await change(tx, sessionId, 'suspended') };
  });
}

/**
 * Makes a suspended session active when somebody is there. Whoever suspends asks for it after the commit, and so does
 * whoever comes: one of the two sees the other.
 */
export async function resumeSession(db: Db, sessionId: string): Promise<StateChange> {
  return transaction(db, async (tx) => ({ sessionId, events: await change(tx, sessionId, 'active') }));
}

async function change(tx: Tx, sessionId: string, state: 'active' | 'suspended'): Promise<StoredEvent[]> {
  if (!(await lockSession(tx, sessionId))) return [];
  const from = state === 'active' ? 'suspended' : 'active';
  const { rowCount } = await tx.query({
    name: `session-${state}`,
    text: `update sessions set state = '${state}' where id = $1 and state = '${from}'
           and ${state === 'active' ? '' : 'not '}exists (select 1 from connections where session_id = $1)`,
    values: [sessionId],
  });
  if (rowCount === 0) return [];
  return appendEvents(tx, sessionId, [
    { key: `state-${uuidv7()}`, type: 'session_updated', body: { state } },
  ]);
}
