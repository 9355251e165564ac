import type { AttachmentRef } from '../protocol/frame-parts.ts';
import type { Tx } from './db.ts';

export interface HistoryToolCall {
  id: string;
  modelCallId: string;
  tool: string;
  arguments: unknown;
}

/** A row of the conversation as the model is to see it. */
export type HistoryMessage =
  | { role: 'user'; content: string; attachments: AttachmentRef[] }
  | {
      role: 'assistant';
      content: string;
      toolCalls: HistoryToolCall[];
      /** The turn was stopped while this was being said. */
      isCut: boolean;
    }
  | { role: 'tool'; content: string; toolCallId: string };

interface HistoryRow {
  role: 'user' | 'assistant' | 'tool';
  position: number;
  content: string;
  finish_reason: string | null;
  tool_call_id: string | null;
  tool_calls: HistoryToolCall[] | null;
  attachments: AttachmentRef[] | null;
}

/**
 * What the model sees at a turn: this turn whole, and before it as many of the last turns as fit whole into
 * `limit` messages. Nothing of later turns.
 */
export async function readHistory(
  tx: Tx,
  window: { sessionId: string; position: number; limit: number },
): Promise<HistoryMessage[]> {
  const { rows } = await tx.query<HistoryRow>({
    name: 'read-history',
    text: `select m.role, m.position, m.content, m.finish_reason, m.tool_call_id, m.attachments,
         case when m.role = 'assistant' then (
           select json_agg(json_build_object('id', c.id, 'modelCallId', c.model_call_id, 'tool', c.tool, 'arguments', coalesce(c.proposed_arguments, c.arguments))
             order by c.ordinal) from tool_calls c where c.message_id = m.id) end as tool_calls
       from (
         (select * from messages where session_id = $1 and position = $2 and removed_at is null)
         union all
         (select * from messages where session_id = $1 and position < $2 and removed_at is null
          order by position desc, step desc, ordinal desc limit $3 + 1)
       ) m order by m.position, m.step, m.ordinal`,
    values: [window.sessionId, window.position, window.limit],
  });
  return pairToolCalls(cutAtTurn(rows, window).map(toHistoryMessage));
}

/** Drops the oldest turns until the rest fits; this turn stays whole whatever its length. */
function cutAtTurn(rows: HistoryRow[], window: { position: number; limit: number }): HistoryRow[] {
  let first = Math.max(0, rows.length - window.limit);
  if (first === 0) return rows;
  const cutTurn = rows[first - 1]?.position;
  while (first < rows.length && rows[first]?.position === cutTurn && cutTurn !== window.position) first += 1;
  const current = rows.findIndex((row) => row.position === window.position);
  return rows.slice(Math.min(first, current));
}

function toHistoryMessage(row: HistoryRow): HistoryMessage {
  if (row.role === 'assistant') {
    const isCut = row.finish_reason === 'cancelled';
    return { role: 'assistant', content: row.content, toolCalls: row.tool_calls ?? [], isCut };
  }
  if (row.role === 'tool') return { role: 'tool', content: row.content, toolCallId: row.tool_call_id ?? '' };
  return { role: 'user', content: row.content, attachments: row.attachments ?? [] };
}

/**
 * Every call ends with a tool message, because every way in which it can end writes one. Should a row be missing
 * all the same, the conversation must not be lost: model servers refuse all of it when one pair is broken.
 */
function pairToolCalls(messages: HistoryMessage[]): HistoryMessage[] {
  const answered = new Set(messages.flatMap((m) => (m.role === 'tool' ? [m.toolCallId] : [])));
  return messages.flatMap((message) => {
    if (message.role !== 'assistant') return [message];
    const missing = message.toolCalls.filter((call) => !answered.has(call.id));
    return [
      message,
      ...missing.map(
        (call): HistoryMessage => ({
          role: 'tool',
          toolCallId: call.id,
          content: 'The outcome of this call is unknown.',
        }),
      ),
    ];
  });
}
