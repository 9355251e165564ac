import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { PublicError } from '../protocol/errors.ts';
import { attachmentRef } from '../protocol/frame-parts.ts';
import type { AttachmentStore } from '../store/attachment-store.ts';
import { findAttachment, saveAttachment } from '../store/attachments.ts';
import type { Db } from '../store/db.ts';
import { checkRight } from '../store/participants.ts';
import { sessionAccess } from '../store/sessions.ts';
import { checkType, readUpload } from './attachment-file.ts';
import type { Identity } from './auth.ts';
import { allowedSession } from './http-access.ts';
import { HttpFault } from './http-answer.ts';
import type { HttpCall } from './http-call.ts';
import { type FileAnswer, fileAnswer } from './http-file.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';

/** Uploads, and downloads, that this process has in memory at once; each up to three times while it is handled. */
const transfersMax = 8;
/** What a form wraps around its file. */
const formBytes = 16 * 1024;
/** What a browser shows and cannot run; anything else is to be saved. */
const shown = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

const file = z.string().meta({ format: 'binary' });
const uploadQuery = z.object({ name: z.string().max(1_000).optional() });
const about = {
  upload: {
    summary: 'Uploads an attachment: the body itself with its Content-Type, or a form with one file.',
    query: uploadQuery,
    body: { '*/*': file, 'multipart/form-data': z.object({ file }) },
    isUpload: true,
    answers: { 201: attachmentRef },
  },
  download: { summary: 'The bytes of an attachment.', answers: { 200: { '*/*': file } } },
} satisfies Record<string, RouteDescription>;

export interface AttachmentDeps {
  db: Db;
  attachments: AttachmentStore;
  config: Pick<Config, 'ATTACHMENT_BYTES' | 'ATTACHMENT_SESSION_BYTES'>;
  /** An upload that takes longer is given up. */
  uploadMs: number;
}

/** How many transfers are under way. */
export type CountTransfers = () => { upload: number; download: number };

/** `/v1/sessions/{id}/attachments` and `/v1/attachments/{id}`. */
export function serveAttachments(router: HttpRouter, deps: AttachmentDeps): CountTransfers {
  const uploads = new Places();
  const downloads = new Places();

  router.post('/v1/sessions/:id/attachments', about.upload, async (call, identity) => {
    const sessionId = await allowedSession(deps.db, call, identity);
    const who = { sessionId, userId: identity.userId };
    await checkRight(deps.db, who, 'message');
    const leave = uploads.take();
    try {
      return { status: 201, body: await upload(deps, call, who) };
    } finally {
      leave();
    }
  });

  router.get('/v1/attachments/:id', about.download, async (call, identity) => {
    const found = await allowedAttachment(deps.db, call.id, identity);
    const leave = downloads.take();
    try {
      const bytes = await deps.attachments.get(found.id);
      if (bytes === null) throw noAttachment();
      return fileAnswer(call, { ...download(found), bytes }, leave);
    } catch (error) {
      leave();
      throw error;
    }
  });

  return () => ({ upload: uploads.taken, download: downloads.taken });
}

async function upload(deps: AttachmentDeps, call: HttpCall, who: { sessionId: string; userId: string }) {
  const { ATTACHMENT_BYTES: maxBytes, ATTACHMENT_SESSION_BYTES: sessionBytesMax } = deps.config;
  const body = await call.upload({ maxBytes: maxBytes + formBytes, boundMs: deps.uploadMs });
  const { contentType, contentDisposition, query } = call;
  const sent = readUpload({ contentType, contentDisposition, nameInQuery: query.get('name'), body });
  if (sent.bytes.length > maxBytes) {
    throw new HttpFault(413, 'validation_error', `The attachment is larger than ${maxBytes} bytes.`);
  }
  checkType(sent);
  const { name, mediaType, bytes } = sent;
  return saveAttachment(deps.db, deps.attachments, { ...who, name, mediaType, bytes, sessionBytesMax });
}

function download({ name, media_type }: { name: string; media_type: string }): Omit<FileAnswer, 'bytes'> {
  const disposition = shown.includes(media_type) ? 'inline' : 'attachment';
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\]/g, '_');
  const encoded = encodeURIComponent(name).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  const charset = shown.includes(media_type) ? '' : '; charset=utf-8';
  return {
    type: `${media_type}${charset}`,
    headers: [
      ['Content-Disposition', `${disposition}; filename="${plain}"; filename*=UTF-8''${encoded}`],
      ['Content-Security-Policy', "default-src 'none'; sandbox"],
      ['Cross-Origin-Resource-Policy', 'same-origin'],
    ],
  };
}

/** Only participants of its session learn that an attachment exists. */
async function allowedAttachment(db: Db, id: string, { tenant, userId }: Identity) {
  const found = await findAttachment(db, id);
  if (!found) throw noAttachment();
  const access = await sessionAccess(db, { sessionId: found.session_id, tenant, userId });
  if (typeof access === 'string') throw noAttachment();
  return found;
}

function noAttachment(): PublicError {
  return new PublicError('not_found', 'There is no such attachment for you.');
}

/** A bounded number of places; whoever finds none comes again later. */
class Places {
  #taken = 0;

  get taken(): number {
    return this.#taken;
  }

  /** Answers the way to give the place back, which may be called twice. */
  take(): () => void {
    if (this.#taken >= transfersMax) {
      throw new PublicError('rate_limit', 'Too many transfers are under way here; try again in a second.');
    }
    this.#taken += 1;
    let isTaken = true;
    return () => {
      if (isTaken) this.#taken -= 1;
      isTaken = false;
    };
  }
}
