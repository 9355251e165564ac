import type { Db } from './db.ts';

/** Rows that people name without the session they are of: a call they decide, a question they answer. */
type Table = 'tool_calls' | 'input_requests';

/** The session of a row, if the user takes part in it. */
export async function sessionOf(
  db: Db,
  table: Table,
  row: { id: string; tenant: string; userId: string },
): Promise<string | null> {
  const { rows } = await db.query<{ session_id: string }>({
    name: `session-of-${table}`,
    text: `select r.session_id from ${table} r
           join sessions s on s.id = r.session_id and s.tenant = $2 and s.deleted_at is null
           join participants p on p.session_id = s.id and p.user_id = $3
           where r.id = $1`,
    values: [row.id, row.tenant, row.userId],
  });
  return rows[0]?.session_id ?? null;
}
