import { v7 as uuidv7 } from 'uuid';
import type { SessionView } from '../protocol/http.ts';
import type { OnBusy } from '../protocol/on-busy.ts';
import type { ParticipantRole } from '../protocol/server-frames.ts';
import type { Db } from './db.ts';
import { transaction } from './db.ts';
import { tellOfNewSession } from './feeds.ts';

/** Settings of one session; what is not set comes from the agent and the configuration. */
export interface SessionConfig {
  model?: string | undefined;
  on_busy?: OnBusy | undefined;
  approval_timeout_ms?: number | undefined;
}

const columns = 'id, title, agent, state, last_seq, created_at, updated_at';

/** Makes a session that belongs to `userId`. */
export async function createSession(
  db: Db,
  session: {
    tenant: string;
    userId: string;
    title?: string | undefined;
    agent?: string | undefined;
    config?: SessionConfig | undefined;
  },
): Promise<SessionView> {
  const id = uuidv7();
  return transaction(db, async (tx) => {
    const inserted = tx.query<SessionView>(
      `insert into sessions (id, tenant, title, agent, config) values ($1, $2, $3, $4, $5) returning ${columns}`,
      [
        id,
        session.tenant,
        session.title ?? '',
        session.agent ?? 'default',
        JSON.stringify(session.config ?? {}),
      ],
    );
    const joined = tx.query(`insert into participants (session_id, user_id, role) values ($1, $2, 'owner')`, [
      id,
      session.userId,
    ]);
    const [{ rows }] = await Promise.all([inserted, joined, tellOfNewSession(tx, id)]);
    return rows[0] as SessionView;
  });
}

/** Sessions in which the user takes part, newest first; `before` is the id of the last one seen. */
export async function listSessions(
  db: Db,
  page: { tenant: string; userId: string; limit: number; before?: string | undefined },
): Promise<SessionView[]> {
  const { rows } = await db.query<SessionView>(
    `select ${columns} from sessions s
     where s.tenant = $1 and s.id in (select session_id from participants where user_id = $2)
       and ($3::text is null or s.id < $3)
     order by s.id desc limit $4`,
    [page.tenant, page.userId, page.before ?? null, page.limit],
  );
  return rows;
}

export async function getSession(db: Db, sessionId: string): Promise<SessionView | null> {
  const { rows } = await db.query<SessionView>(`select ${columns} from sessions where id = $1`, [sessionId]);
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
