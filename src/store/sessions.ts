import { v7 as uuidv7 } from 'uuid';
import type { Participant, ParticipantRole } from '../protocol/frame-parts.ts';
import type { SessionsPage, SessionView } from '../protocol/http.ts';
import type { OnBusy } from '../protocol/on-busy.ts';
import type { Db, Tx } from './db.ts';
import { transaction } from './db.ts';
import { tellOfNewSession } from './feeds.ts';
import { type PageRequest, pageOf } from './pages.ts';

/** Settings of one session; what is not set comes from the agent and the configuration. */
export interface SessionConfig {
  model?: string | undefined;
  on_busy?: OnBusy | undefined;
  approval_timeout_ms?: number | undefined;
}

const columns = 'id, title, agent, state, last_seq, created_at, updated_at';

/** A session to be made. */
export interface NewSession {
  tenant: string;
  /** Its maker, and an owner of it. */
  userId: string;
  /** What its maker calls it: the same key again makes no second session. */
  key?: string | undefined;
  title?: string | undefined;
  agent?: string | undefined;
  config?: SessionConfig | undefined;
  /** Who else takes part. */
  participants?: Participant[] | undefined;
}

/** Makes a session that belongs to `userId`; with a key that is used already, answers the one that has it. */
export async function createSession(db: Db, session: NewSession): Promise<SessionView> {
  return (await createSessionOnce(db, session)).session;
}

/** As {@link createSession}, and says whether it was made now. */
export async function createSessionOnce(
  db: Db,
  session: NewSession,
): Promise<{ session: SessionView; isNew: boolean }> {
  // Again only where the one that has the key is deleted in between, so this ends.
  for (;;) {
    const made = await transaction(db, (tx) => insertSession(tx, session));
    if (made) return { session: made, isNew: true };
    const found = await findSessionByKey(db, session);
    if (found) return { session: found, isNew: false };
  }
}

/** The session that its maker calls so, if it is there. */
export async function findSessionByKey(
  db: Db,
  session: { tenant: string; userId: string; key?: string | undefined },
): Promise<SessionView | undefined> {
  const { rows } = await db.query<SessionView>({
    name: 'session-by-key',
    text: `select ${columns} from sessions
           where tenant = $1 and made_by = $2 and client_key = $3 and deleted_at is null`,
    values: [session.tenant, session.userId, session.key],
  });
  return rows[0];
}

async function insertSession(tx: Tx, session: NewSession): Promise<SessionView | null> {
  const { rows } = await tx.query<SessionView>(
    `insert into sessions (id, tenant, title, agent, config, made_by, client_key)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (tenant, made_by, client_key) where client_key is not null and deleted_at is null do nothing
     returning ${columns}`,
    [
      uuidv7(),
      session.tenant,
      session.title ?? '',
      session.agent ?? 'default',
      JSON.stringify(session.config ?? {}),
      session.userId,
      session.key ?? null,
    ],
  );
  const made = rows[0];
  if (!made) return null;
  const others = session.participants ?? [];
  const joined = tx.query(
    `insert into participants (session_id, user_id, role) select $1, * from unnest($2::text[], $3::text[])`,
    [
      made.id,
      [session.userId, ...others.map((other) => other.user_id)],
      ['owner', ...others.map((other) => other.role)],
    ],
  );
  await Promise.all([joined, tellOfNewSession(tx, made.id)]);
  return made;
}

/** Sessions in which the user takes part, newest first; `before` is the id of the last one seen. */
export async function listSessions(
  db: Db,
  page: PageRequest & { tenant: string; userId: string },
): Promise<SessionsPage> {
  const { rows } = await db.query<SessionView>(
    `select ${columns}, p.role from participants p join sessions s on s.id = p.session_id
     where p.user_id = $2 and s.tenant = $1 and s.deleted_at is null and ($3::text is null or p.session_id < $3)
     order by p.session_id desc limit $4 + 1`,
    [page.tenant, page.userId, page.before ?? null, page.limit],
  );
  const { shown: sessions, next } = pageOf(rows, page.limit, ({ id }) => id);
  return { sessions, next };
}

/** A session as this participant sees it, with everybody who takes part. */
export async function getSession(db: Db, sessionId: string, userId: string): Promise<SessionView | null> {
  const { rows } = await db.query<SessionView>(
    `select ${columns}, p.role,
       (select json_agg(json_build_object('user_id', o.user_id, 'role', o.role) order by o.user_id)
        from participants o where o.session_id = s.id) as participants,
       case when s.config ? 'on_busy' then jsonb_build_object('on_busy', s.config->'on_busy') else '{}' end as config
     from sessions s join participants p on p.session_id = s.id and p.user_id = $2
     where s.id = $1 and s.deleted_at is null`,
    [sessionId, userId],
  );
  return rows[0] ?? null;
}

/** As whom the user takes part. Another tenant's session is `missing`: nobody learns that it exists. */
export async function sessionAccess(
  db: Db,
  request: { sessionId: string; tenant: string; userId: string },
): Promise<{ role: ParticipantRole } | 'denied' | 'missing'> {
  const { rows } = await db.query<{ role: ParticipantRole | null }>({
    name: 'session-access',
    text: `select p.role from sessions s left join participants p on p.session_id = s.id and p.user_id = $3
           where s.id = $1 and s.tenant = $2 and s.deleted_at is null`,
    values: [request.sessionId, request.tenant, request.userId],
  });
  const row = rows[0];
  if (!row) return 'missing';
  return row.role === null ? 'denied' : { role: row.role };
}
