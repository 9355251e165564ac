import type { Db, Tx } from './db.ts';

/** All that a stream has said so far, by one attempt. */
export interface Draft {
  messageId: string;
  sessionId: string;
  attempt: number;
  content: string;
  thought: string;
}

/**
 * Writes the drafts of all streams of the process in one statement. Rows go in the order of their key, so
 * that two processes never wait for each other in a circle; an older attempt never overwrites a newer one.
 */
export async function writeDrafts(db: Db, drafts: Draft[]): Promise<void> {
  const sorted = drafts.toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1));
  await db.query({
    name: 'write-drafts',
    text: `insert into drafts (message_id, session_id, attempt, content, thought)
           select * from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[])
           on conflict (message_id) do update
             set attempt = excluded.attempt, content = excluded.content, thought = excluded.thought, updated_at = now()
             where drafts.attempt <= excluded.attempt`,
    values: [
      sorted.map((draft) => draft.messageId),
      sorted.map((draft) => draft.sessionId),
      sorted.map((draft) => draft.attempt),
      sorted.map((draft) => draft.content),
      sorted.map((draft) => draft.thought),
    ],
  });
}

export async function readDraft(
  db: Db | Tx,
  messageId: string,
): Promise<{ attempt: number; content: string; thought: string } | null> {
  const { rows } = await db.query<{ attempt: number; content: string; thought: string }>({
    name: 'read-draft',
    text: 'select attempt, content, thought from drafts where message_id = $1',
    values: [messageId],
  });
  return rows[0] ?? null;
}

export async function deleteDraft(tx: Tx, messageId: string): Promise<void> {
  await tx.query({
    name: 'delete-draft',
    text: 'delete from drafts where message_id = $1',
    values: [messageId],
  });
}

/** Drafts that a dying process wrote after their stream had ended. */
export async function sweepDrafts(db: Db): Promise<void> {
  await db.query(`delete from drafts where updated_at < now() - interval '1 day'`);
}
