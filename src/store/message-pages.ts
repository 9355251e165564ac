import { PublicError } from '../protocol/errors.ts';
import type { AttachmentRef } from '../protocol/frame-parts.ts';
import type { MessagesPage, MessageView } from '../protocol/http.ts';
import { type Db, transaction } from './db.ts';
import { type PageRequest, pageOf } from './pages.ts';

interface MessageRow
  extends Omit<
    MessageView,
    'thought' | 'attachments' | 'tool_call_id' | 'tool_calls' | 'client_message_id' | 'finish_reason'
  > {
  cursor: string;
  thought: string | null;
  attachments: AttachmentRef[] | null;
  finish_reason: string | null;
  tool_call_id: string | null;
  client_message_id: string | null;
  tool_calls: MessageView['tool_calls'] | null;
}

/**
 * A page of the conversation, oldest first, with the `last_seq` of the same moment: who connects with it gets
 * exactly what came after.
 * @throws PublicError `validation_error` for a cursor that is none
 */
export async function readMessages(db: Db, page: PageRequest & { sessionId: string }): Promise<MessagesPage> {
  const before = page.before === undefined ? null : parseCursor(page.before);
  return transaction(db, async (tx) => {
    await tx.query('set transaction isolation level repeatable read read only');
    const seq = tx.query<{ last_seq: number }>('select last_seq from sessions where id = $1', [
      page.sessionId,
    ]);
    const found = tx.query<MessageRow>(
      `select m.id, m.turn_id, m.role, m.content, m.thought, m.attachments, m.finish_reason, m.tool_call_id, m.client_message_id, m.created_at as ts,
         concat_ws('.', m.position, m.step, m.ordinal) as cursor,
         case when m.role = 'assistant' then (
           select json_agg(json_build_object('tool_call_id', c.id, 'tool', c.tool, 'arguments', c.arguments,
             'gate', c.gate, 'reason', c.reason, 'status', c.status) order by c.ordinal)
           from tool_calls c where c.message_id = m.id) end as tool_calls
       from messages m
       where m.session_id = $1 and m.removed_at is null and ($2::bigint[] is null or (m.position, m.step, m.ordinal) < ($2[1], $2[2], $2[3]))
       order by m.position desc, m.step desc, m.ordinal desc limit $3`,
      [page.sessionId, before, page.limit + 1],
    );
    const [sessions, { rows }] = await Promise.all([seq, found]);
    const { shown, next } = pageOf(rows, page.limit, ({ cursor }) => cursor);
    return {
      messages: shown.toReversed().map(toMessageView),
      last_seq: sessions.rows[0]?.last_seq ?? 0,
      next,
    };
  });
}

function parseCursor(cursor: string): number[] {
  if (!/^\d{1,15}\.\d{1,9}\.\d{1,9}$/.test(cursor)) {
    throw new PublicError('validation_error', '"before" must be the "next" of an earlier page.');
  }
  return cursor.split('.').map(Number);
}

function toMessageView(row: MessageRow): MessageView {
  const {
    cursor: _,
    thought,
    attachments,
    finish_reason,
    tool_call_id,
    client_message_id,
    tool_calls,
    ...rest
  } = row;
  return {
    ...rest,
    ...(thought === null ? {} : { thought }),
    ...(attachments === null ? {} : { attachments }),
    ...(finish_reason === null ? {} : { finish_reason }),
    ...(tool_call_id === null ? {} : { tool_call_id }),
    ...(client_message_id === null ? {} : { client_message_id }),
    ...(tool_calls === null ? {} : { tool_calls }),
  };
}
