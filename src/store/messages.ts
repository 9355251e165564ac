import { isDeepStrictEqual } from 'node:util';
import { v7 as uuidv7 } from 'uuid';
import { PublicError } from '../protocol/errors.ts';
import type { AttachmentRef } from '../protocol/frame-parts.ts';
import type { OnBusy } from '../protocol/on-busy.ts';
import { claimAttachments } from './attachments.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import { appendEvents, type StoredEvent } from './events.ts';
import { type Placing, placeMessage, readBusy } from './on-busy.ts';
import { checkRight } from './participants.ts';
import { stopTurn } from './stop-turn.ts';

/** Messages that were steered into a step come after all of its tool messages. */
const STEERED_ORDINAL = 1_000_000;

interface NewMessage {
  sessionId: string;
  userId: string;
  clientMessageId: string;
  content: string;
  /** Attachments of the session, each once. */
  attachmentIds?: string[] | undefined;
  /** Without one, as the session says. */
  onBusy?: OnBusy | undefined;
  /** Told of a turn that is to be run, while it is being written: good for nothing but waking whoever looks for it under the session's lock. */
  onAccepting?: ((turnId: string) => void) | undefined;
}

type Disposition = Placing['disposition'];

export interface AcceptedMessage {
  turnId: string;
  messageId: string;
  disposition: Disposition;
  /** The running turn that was told to stop for this message. */
  stoppingTurnId: string | null;
  events: StoredEvent[];
}

interface EarlierRow {
  id: string;
  turn_id: string;
  content: string;
  attachments: AttachmentRef[] | null;
  disposition: Disposition;
}

/**
 * Takes a user's message in: message, turn (queued) and event in one transaction; where the session is busy,
 * as `onBusy` says. The same message sent again answers the same and writes nothing.
 * @throws PublicError `conflict` (same id, other content; a closed session), `busy` (was not to wait, or too many
 * do), `forbidden` (their role may not), `not_found`
 */
export async function acceptMessage(db: Db, message: NewMessage): Promise<AcceptedMessage> {
  return transaction(db, async (tx) => {
    const [exists, , earlier, busy] = await Promise.all([
      lockSession(tx, message.sessionId),
      checkRight(tx, message, 'message'),
      findEarlier(tx, message),
      readBusy(tx, message.sessionId),
    ]);
    if (!exists) throw new PublicError('not_found', 'There is no such session.');
    if (earlier) return resend(earlier, message);
    const placing = placeMessage(busy, message.onBusy);
    const { sessionId, attachmentIds = [] } = message;
    const attachments = attachmentIds.length > 0 ? await claimAttachments(tx, sessionId, attachmentIds) : [];
    return insertMessage(tx, { ...message, attachments }, placing);
  });
}

async function findEarlier(tx: Tx, message: NewMessage): Promise<EarlierRow | undefined> {
  const { rows } = await tx.query<EarlierRow>({
    name: 'find-earlier-message',
    text: `select m.id, m.turn_id, m.content, m.attachments, case when m.steered then 'steered' else t.disposition end as disposition
           from messages m join turns t on t.id = m.turn_id
           where m.session_id = $1 and m.user_id = $2 and m.client_message_id = $3`,
    values: [message.sessionId, message.userId, message.clientMessageId],
  });
  return rows[0];
}

function resend(earlier: EarlierRow, { content, attachmentIds = [] }: NewMessage): AcceptedMessage {
  const earlierIds = (earlier.attachments ?? []).map(({ id }) => id);
  if (earlier.content !== content || !isDeepStrictEqual(earlierIds, attachmentIds)) {
    throw new PublicError(
      'conflict',
      'A message with this id was already sent with other content or attachments; use a new id for a new message.',
    );
  }
  const { id: messageId, turn_id: turnId, disposition } = earlier;
  return { turnId, messageId, disposition, stoppingTurnId: null, events: [] };
}

async function insertMessage(
  tx: Tx,
  message: NewMessage & { attachments: AttachmentRef[] },
  placing: Placing,
): Promise<AcceptedMessage> {
  const { attachments } = message;
  const stopped = placing.disposition === 'interrupted' ? await stopFor(tx, message, placing) : null;
  const into = placing.disposition === 'steered' ? placing.into : null;
  const turnId = into?.id ?? uuidv7();
  const messageId = uuidv7();
  if (!into) message.onAccepting?.(turnId);
  const [, , events] = await Promise.all([
    into ? null : insertTurn(tx, message, turnId, placing.disposition),
    tx.query({
      name: 'insert-user-message',
      text: `insert into messages (id, session_id, turn_id, position, step, ordinal, role, content, user_id,
               client_message_id, steered, attachments)
             select $3, $1, $2, coalesce($4, last_position), $5, $6, 'user', $7, $8, $9, $4::bigint is not null, $10
             from sessions where id = $1`,
      values: [
        message.sessionId,
        turnId,
        messageId,
        into?.position ?? null,
        into?.step ?? 0,
        into ? STEERED_ORDINAL + into.steered : 0,
        message.content,
        message.userId,
        message.clientMessageId,
        attachments.length > 0 ? JSON.stringify(attachments) : null,
      ],
    }),
    appendEvents(tx, message.sessionId, [
      {
        key: `message_saved:${messageId}`,
        type: 'message_saved',
        turnId,
        body: {
          message_id: messageId,
          role: 'user',
          content: message.content,
          attachments,
          client_message_id: message.clientMessageId,
          user_id: message.userId,
        },
      },
    ]),
  ]);
  return {
    turnId,
    messageId,
    disposition: placing.disposition,
    stoppingTurnId: stopped?.runningTurnId ?? null,
    events: [...(stopped?.events ?? []), ...events],
  };
}

async function stopFor(
  tx: Tx,
  message: NewMessage,
  placing: Extract<Placing, { disposition: 'interrupted' }>,
): Promise<{ runningTurnId: string | null; events: StoredEvent[] }> {
  const { sessionId, userId } = message;
  const { stop, kind } = placing;
  await checkRight(tx, message, 'cancel');
  const { events } = await stopTurn(tx, stop, { sessionId, userId, kind });
  return { runningTurnId: stop.status === 'running' ? stop.id : null, events };
}

async function insertTurn(
  tx: Tx,
  message: NewMessage,
  turnId: string,
  disposition: Disposition,
): Promise<void> {
  await tx.query({
    name: 'insert-turn',
    text: `with numbered as (
             update sessions set last_position = last_position + 1 where id = $1 returning last_position
           )
           insert into turns (id, session_id, position, user_id, status, disposition)
           select $2, $1, last_position, $3, 'queued', $4 from numbered`,
    values: [message.sessionId, turnId, message.userId, disposition],
  });
}
