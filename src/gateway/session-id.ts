import type { Db } from '../store/db.ts';
import { getOrCreateDefaultSession } from '../store/default-session.ts';

/** Ids that we make are UUIDs; anything else in a path names nothing and is not worth a query. */
export const sessionIdPattern = /^[0-9a-f-]{36}$/;
/** Stands in a path for the session that every user has. */
const defaultName = 'default';

/**
 * The id of the session that a path names; `default` is the user's own, made when missing.
 * @returns null for what names none
 */
export async function sessionIdOf(
  db: Db,
  user: { tenant: string; userId: string },
  name: string,
): Promise<string | null> {
  if (name === defaultName) return getOrCreateDefaultSession(db, user);
  return sessionIdPattern.test(name) ? name : null;
}
