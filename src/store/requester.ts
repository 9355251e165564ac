import type { ParticipantRole } from '../protocol/server-frames.ts';
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

/** What the policy looks at of a call that is on record; null where there is no such call. */
export async function callFacts(
  db: Db,
  call: { sessionId: string; toolCallId: string },
): Promise<{ tool: string; agent: string; requester: Requester } | null> {
  const { rows } = await db.query<{
    tool: string;
    agent: string;
    user_id: string;
    role: ParticipantRole | null;
  }>({
    name: 'call-facts',
    text: `select c.tool, s.agent, t.user_id, p.role
           from tool_calls c join turns t on t.id = c.turn_id join sessions s on s.id = c.session_id
             left join participants p on p.session_id = s.id and p.user_id = t.user_id
           where c.id = $1 and c.session_id = $2`,
    values: [call.toolCallId, call.sessionId],
  });
  const row = rows[0];
  return row ? { tool: row.tool, agent: row.agent, requester: { id: row.user_id, role: row.role } } : null;
}
