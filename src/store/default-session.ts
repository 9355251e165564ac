import type { Db } from './db.ts';
import { createSession, findSessionByKey } from './sessions.ts';

interface Owner {
  tenant: string;
  userId: string;
}

const key = 'default';
const title = 'Default';

/** The session that a user has without having made one, where it is there already. */
export async function findDefaultSession(db: Db, { tenant, userId }: Owner): Promise<string | null> {
  return (await findSessionByKey(db, { tenant, userId, key }))?.id ?? null;
}

/** The same, made when it is missing; who ask at once get the same one. */
export async function getOrCreateDefaultSession(db: Db, owner: Owner): Promise<string> {
  const { tenant, userId } = owner;
  return (
    (await findDefaultSession(db, owner)) ?? (await createSession(db, { tenant, userId, key, title })).id
  );
}
