import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import type { Db } from '../../src/store/db.ts';

/** Lets users take part in a session, without any word to anybody. */
export async function seatParticipants(
  db: Db,
  sessionId: string,
  people: Record<string, ParticipantRole>,
): Promise<void> {
  await db.query(
    `insert into participants (session_id, user_id, role) select $1, * from unnest($2::text[], $3::text[])
     on conflict (session_id, user_id) do update set role = excluded.role`,
    [sessionId, Object.keys(people), Object.values(people)],
  );
}
