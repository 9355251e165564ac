import type { Usage } from '../protocol/frame-parts.ts';
import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';

export async function insertAssistantMessage(
  tx: Tx,
  message: {
    sessionId: string;
    turnId: string;
    position: number;
    step: number;
    messageId: string;
    content: string;
    thought: string;
    finishReason: string;
  },
): Promise<void> {
  await tx.query({
    name: 'insert-assistant-message',
    text: `insert into messages (id, session_id, turn_id, position, step, ordinal, role, content, thought, finish_reason)
           values ($1, $2, $3, $4, $5, 0, 'assistant', $6, $7, $8)`,
    values: [
      message.messageId,
      message.sessionId,
      message.turnId,
      message.position,
      message.step,
      message.content,
      message.thought || null,
      message.finishReason,
    ],
  });
}

export function streamEnd(stream: {
  turnId: string;
  messageId: string;
  content: string;
  thought: string;
  finishReason: string;
  usage: Usage | null;
}): NewEvent {
  return {
    key: `stream_end:${stream.messageId}`,
    type: 'stream_end',
    turnId: stream.turnId,
    body: {
      message_id: stream.messageId,
      content: stream.content,
      ...(stream.thought ? { thought: stream.thought } : {}),
      finish_reason: stream.finishReason,
      usage: stream.usage,
    },
  };
}
