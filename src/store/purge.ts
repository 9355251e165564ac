import type { Db } from './db.ts';

/** Rows that one statement removes: the locks of a large session are not held long. */
const batchRows = 5_000;

/**
 * Removes what is left of deleted sessions in which nothing runs and whose attachments are gone, as far as one round
 * goes: events first, in batches, then the rest.
 * @returns the sessions that are gone for good
 */
export async function purgeSessions(db: Db, limit: number): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    name: 'find-purgeable-sessions',
    text: `select id from sessions s where deleted_at is not null
             and not exists (select 1 from turns t where t.session_id = s.id and t.status in ('queued', 'running'))
             and not exists (select 1 from attachments a where a.session_id = s.id)
           order by deleted_at limit $1`,
    values: [limit],
  });
  const purged: string[] = [];
  for (const { id } of rows) {
    const { rowCount } = await db.query({
      name: 'purge-events',
      text: `delete from events where session_id = $1
               and seq in (select seq from events where session_id = $1 order by seq limit $2)`,
      values: [id, batchRows],
    });
    // The others are taken in the next round.
    if (rowCount === batchRows) continue;
    await db.query({ name: 'purge-drafts', text: 'delete from drafts where session_id = $1', values: [id] });
    // What is still on its way goes on; it is removed in its time.
    await db.query({
      name: 'purge-webhook-deliveries',
      text: `delete from webhook_deliveries where session_id = $1 and status <> 'pending'`,
      values: [id],
    });
    await db.query({
      name: 'purge-audit',
      text: 'delete from approval_audit where session_id = $1',
      values: [id],
    });
    await db.query({
      name: 'purge-session',
      text: 'delete from sessions where id = $1 and deleted_at is not null',
      values: [id],
    });
    purged.push(id);
  }
  return purged;
}
