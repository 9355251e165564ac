import { v7 as uuidv7 } from 'uuid';
import { PublicError } from '../protocol/errors.ts';
import type { AttachmentRef } from '../protocol/frame-parts.ts';
import type { AttachmentStore } from './attachment-store.ts';
import { type Db, lockSession, type Tx, transaction } from './db.ts';
import { checkRight } from './participants.ts';

export interface NewAttachment {
  sessionId: string;
  userId: string;
  name: string;
  mediaType: string;
  bytes: Buffer;
  /** Of all attachments of the session together. */
  sessionBytesMax: number;
}

/**
 * Keeps an attachment: a row that takes its place in the session's bound, then the bytes, then the word that they are
 * there. Who dies in between leaves a row that nobody may refer to and that is removed with the unused ones.
 * @throws PublicError `conflict` (the session is full or closed), `forbidden`, `not_found`
 */
export async function saveAttachment(
  db: Db,
  store: AttachmentStore,
  file: NewAttachment,
): Promise<AttachmentRef> {
  const id = uuidv7();
  const { sessionId, userId, name, mediaType, bytes } = file;
  await transaction(db, async (tx) => {
    const [exists, , held] = await Promise.all([
      lockSession(tx, sessionId),
      checkRight(tx, file, 'message'),
      heldBytes(tx, sessionId),
    ]);
    if (!exists) throw new PublicError('not_found', 'There is no such session.');
    if (held + bytes.length > file.sessionBytesMax) throw full(held, file.sessionBytesMax);
    await tx.query(
      'insert into attachments (id, session_id, user_id, name, media_type, size) values ($1, $2, $3, $4, $5, $6)',
      [id, sessionId, userId, name, mediaType, bytes.length],
    );
  });
  await store.put(id, bytes);
  await db.query('update attachments set stored = true where id = $1', [id]);
  return { id, name, media_type: mediaType, size: bytes.length };
}

async function heldBytes(tx: Tx, sessionId: string): Promise<number> {
  const { rows } = await tx.query<{ held: number }>(
    'select coalesce(sum(size), 0)::bigint as held from attachments where session_id = $1',
    [sessionId],
  );
  return rows[0]?.held ?? 0;
}

function full(held: number, max: number): PublicError {
  return new PublicError(
    'conflict',
    `The attachments of this session hold ${held} bytes, and all together may hold ${max}. Begin a new session.`,
  );
}

/**
 * Takes attachments for a message, in the transaction that writes it; they are kept from then on. To be called under
 * the session's lock.
 * @throws PublicError `validation_error` for an id that is none of this session's
 */
export async function claimAttachments(tx: Tx, sessionId: string, ids: string[]): Promise<AttachmentRef[]> {
  const { rows } = await tx.query<AttachmentRef>(
    `update attachments set used_at = coalesce(used_at, now())
     where session_id = $1 and id = any($2) and stored and removing_at is null
     returning id, name, media_type, size`,
    [sessionId, ids],
  );
  const found = new Map(rows.map((ref) => [ref.id, ref]));
  return ids.map((id) => {
    const ref = found.get(id);
    if (ref) return ref;
    throw new PublicError(
      'validation_error',
      `Field "attachments": ${id} is no attachment of this session. Upload it first; unused ones are kept for a day.`,
    );
  });
}

/** What is known of an attachment that is there. */
export async function findAttachment(
  db: Db,
  id: string,
): Promise<(AttachmentRef & { session_id: string }) | null> {
  const { rows } = await db.query<AttachmentRef & { session_id: string }>(
    `select id, session_id, name, media_type, size from attachments
     where id = $1 and stored and removing_at is null`,
    [id],
  );
  return rows[0] ?? null;
}

/**
 * Removes some attachments that no message took in all that time, or whose session is deleted: the bytes first, then the row, so that a death in
 * between leaves the row for the next round. Answers how many.
 */
export async function removeUnusedAttachments(
  db: Db,
  store: AttachmentStore,
  options: { unusedForMs: number; limit: number },
): Promise<number> {
  const { rows } = await db.query<{ id: string }>(
    `update attachments set removing_at = now() where id in (
       select id from attachments
       where (used_at is null and created_at < now() - $1 * interval '1 millisecond')
         or session_id in (select id from sessions where deleted_at is not null)
       order by created_at limit $2 for update skip locked)
     returning id`,
    [options.unusedForMs, options.limit],
  );
  for (const { id } of rows) {
    await store.delete(id);
    await db.query('delete from attachments where id = $1', [id]);
  }
  return rows.length;
}
