import { v7 as uuidv7 } from 'uuid';
import type { ErrorBody } from '../protocol/errors.ts';
import type { ToolResultStatus } from '../protocol/frame-parts.ts';
import type { EventBody } from '../protocol/server-frames.ts';
import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';
import { recordCallEnd } from './usage.ts';

/** What identifies a tool call and its place in the conversation. */
export interface ClosingCall {
  id: string;
  session_id: string;
  turn_id: string;
  position: number;
  step: number;
  ordinal: number;
}

export interface CallClosing {
  status: ToolResultStatus;
  /** JSON that clients see. */
  result: unknown;
  /** What the model reads as the tool's message. */
  text: string;
  error: ErrorBody | null;
}

/**
 * Gives a tool call its result: the ledger row, the tool message that pairs it for the model, and the event. The one
 * way in which any call ends; the caller holds the session's lock and knows that the call is open.
 */
export async function closeCall(tx: Tx, call: ClosingCall, closing: CallClosing): Promise<NewEvent> {
  const result = (closing.result ?? null) as EventBody<'tool_result'>['result'];
  await Promise.all([
    recordCallEnd(tx, call),
    tx.query({
      name: 'close-call',
      text: `update tool_calls set status = $2, result = $3, error = $4, lease_until = null, ended_at = now() where id = $1`,
      values: [
        call.id,
        closing.status,
        JSON.stringify(result),
        closing.error ? JSON.stringify(closing.error) : null,
      ],
    }),
    tx.query({
      name: 'insert-tool-message',
      text: `insert into messages (id, session_id, turn_id, position, step, ordinal, role, content, tool_call_id)
             values ($1, $2, $3, $4, $5, $6, 'tool', $7, $8)`,
      values: [
        uuidv7(),
        call.session_id,
        call.turn_id,
        call.position,
        call.step,
        call.ordinal,
        closing.text,
        call.id,
      ],
    }),
  ]);
  return {
    key: `tool_result:${call.id}`,
    type: 'tool_result',
    turnId: call.turn_id,
    body: { tool_call_id: call.id, status: closing.status, result, error: closing.error },
  };
}
