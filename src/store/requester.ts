import type { ParticipantRole } from '../protocol/frame-parts.ts';
import type { Db } from './db.ts';

/** Whose message led to a call, as the policy looks at them. */
export interface Requester {
  id: string;
  /** Theirs in the session now; null where they take no part in it any more. */
  role: ParticipantRole | null;
}

/** The role that a user has in a session now. */
export async function requesterOf(db: Db, sessionId: string, userId: string): Promise<Requester> {
  const { rows } = await db.query<{ role: ParticipantRole }>({
    name: 'role-of-requester',
    text: 'select role from participants where session_id = $1 and user_id = $2',
    values: [sessionId, userId],
  });
  return { id: userId, role: rows[0]?.role ?? null };
}
