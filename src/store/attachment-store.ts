import type { Db } from './db.ts';

/** Where the bytes of attachments are. Whoever has another place for them writes another of these. */
export interface AttachmentStore {
  /** Durable when it resolves. Again with the same id: the same bytes. */
  put(id: string, bytes: Buffer): Promise<void>;
  /** Answers null for bytes that are not there. */
  get(id: string): Promise<Buffer | null>;
  /** Of bytes that are not there, too. */
  delete(id: string): Promise<void>;
}

/** Bytes in Postgres: nothing more to run, and one backup of everything. */
export function createPostgresAttachments(db: Db): AttachmentStore {
  return {
    async put(id, bytes) {
      await db.query('insert into attachment_bytes (id, bytes) values ($1, $2) on conflict (id) do nothing', [
        id,
        bytes,
      ]);
    },
    async get(id) {
      const { rows } = await db.query<{ bytes: Buffer }>('select bytes from attachment_bytes where id = $1', [
        id,
      ]);
      return rows[0]?.bytes ?? null;
    },
    async delete(id) {
      await db.query('delete from attachment_bytes where id = $1', [id]);
    },
  };
}
