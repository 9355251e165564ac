import { PublicError } from '../protocol/errors.ts';
import type { ParticipantRole, Participant as Seat, SessionState } from '../protocol/frame-parts.ts';
import { type Right, requireRight } from '../protocol/roles.ts';
import type { Db, Tx } from './db.ts';

/** Whoever acts in a session. Their tenant was compared with the session's when they came in. */
export interface Participant {
  sessionId: string;
  userId: string;
}

/** What only makes sense while a session is open. */
const forOpenSessions: readonly Right[] = ['message', 'typing'];

/**
 * Checks what a participant may do now. Inside a transaction it belongs behind the session's lock: who changes
 * participants holds it too, so a right that is found here lasts until the commit.
 * @throws PublicError `not_found` (no such session), `forbidden` (no role, or not one that may),
 * `conflict` (the session is closed)
 */
export async function checkRight(db: Db | Tx, who: Participant, right: Right): Promise<void> {
  const { rows } = await db.query<{ state: SessionState; role: ParticipantRole | null }>({
    name: 'check-right',
    text: `select s.state, p.role from sessions s
           left join participants p on p.session_id = s.id and p.user_id = $2
           where s.id = $1 and s.deleted_at is null`,
    values: [who.sessionId, who.userId],
  });
  const found = rows[0];
  if (!found) throw new PublicError('not_found', 'There is no such session.');
  requireRight(found.role, right);
  if (found.state === 'closed' && forOpenSessions.includes(right)) {
    throw new PublicError(
      'conflict',
      'This session is closed and takes no messages. Its owner can reopen it.',
    );
  }
}

/** Who takes part in a session, and as what. */
export async function readParticipants(tx: Tx, sessionId: string): Promise<Seat[]> {
  const { rows } = await tx.query<Seat>({
    name: 'read-participants',
    text: 'select user_id, role from participants where session_id = $1 order by user_id',
    values: [sessionId],
  });
  return rows;
}
