import { v7 as uuidv7 } from 'uuid';
import { type Db, transaction } from './db.ts';
import { tellOfNewSession } from './feeds.ts';

const clientKey = 'default';
const title = 'Default';

/** The session that a user has without having made one, where it is there already. */
export async function findDefaultSession(
  db: Db,
  owner: { tenant: string; userId: string },
): Promise<string | null> {
  const { rows } = await db.query<{ id: string }>({
    name: 'find-default-session',
    text: `select id from sessions
           where tenant = $1 and made_by = $2 and client_key = $3 and deleted_at is null`,
    values: [owner.tenant, owner.userId, clientKey],
  });
  return rows[0]?.id ?? null;
}

/** The same, made when it is missing; two who ask at once get the same one. */
export async function getOrCreateDefaultSession(
  db: Db,
  owner: { tenant: string; userId: string },
): Promise<string> {
  const found = await findDefaultSession(db, owner);
  if (found !== null) return found;
  const id = uuidv7();
  const isMade = await transaction(db, async (tx) => {
    const { rowCount } = await tx.query(
      `insert into sessions (id, tenant, title, agent, made_by, client_key) values ($1, $2, $3, 'default', $4, $5)
       on conflict (tenant, made_by, client_key) where client_key is not null and deleted_at is null do nothing`,
      [id, owner.tenant, title, owner.userId, clientKey],
    );
    if (rowCount === 0) return false;
    await tx.query(`insert into participants (session_id, user_id, role) values ($1, $2, 'owner')`, [
      id,
      owner.userId,
    ]);
    await tellOfNewSession(tx, id);
    return true;
  });
  if (isMade) return id;
  const theirs = await findDefaultSession(db, owner);
  if (theirs === null) throw new Error('The default session was made and deleted while it was asked for.');
  return theirs;
}
