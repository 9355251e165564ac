import {
  type Conversation,
  type ConversationInput,
  reduce,
  startConversation,
} from '../../src/cli/chat/conversation.ts';
import type { LiveFrame } from '../../src/protocol/live-frames.ts';
import type { EventFrame, ServerFrame } from '../../src/protocol/server-frames.ts';

export type Body = EventFrame extends infer E
  ? E extends EventFrame
    ? Omit<E, 'seq' | 'session_id' | 'ts'>
    : never
  : never;

/** Frames as they come; events get their seq, and the time of the n-th input is n seconds. */
export function play(
  inputs: (Body | LiveFrame | ConversationInput)[],
  from = startConversation('s', []),
): Conversation {
  let seq = 0;
  return inputs.reduce<Conversation>((at, input, index) => {
    if ('kind' in input && !('type' in input)) return reduce(at, input);
    const ts = (index + 1) * 1_000;
    seq += 1;
    const live = [
      'agent_status',
      'ack',
      'error',
      'tool_progress',
      'welcome',
      'stream_delta',
      'agent_thought',
    ];
    const frame = (live.includes(input.type) ? input : { ...input, seq, session_id: 's', ts }) as ServerFrame;
    return reduce(at, { kind: 'frame', frame, now: ts });
  }, from);
}

export const said = (turn_id: string, content: string, id?: string): Body => ({
  type: 'message_saved',
  turn_id,
  message_id: `of-${turn_id}`,
  role: 'user',
  content,
  attachments: [],
  ...(id === undefined ? {} : { client_message_id: id }),
});
export const started = (turn_id: string): Body => ({
  type: 'turn_started',
  turn_id,
  workflow_id: 'w',
  run_id: 'r',
});
export const answered = (turn_id: string, content: string, thought?: string): Body => ({
  type: 'stream_end',
  turn_id,
  message_id: `answer-${turn_id}`,
  content,
  ...(thought === undefined ? {} : { thought }),
  finish_reason: 'stop',
  usage: null,
});
export const ended = (turn_id: string, status: 'completed' | 'failed' | 'cancelled' = 'completed'): Body => ({
  type: 'turn_end',
  turn_id,
  status,
  usage: null,
  ...(status === 'failed' ? { error: { code: 'model_error', message: 'The key is wrong.' } } : {}),
});
export const call = (id: string, gate: 'allow' | 'ask' | 'deny' = 'ask'): Body => ({
  type: 'tool_call',
  turn_id: 't1',
  tool_call_id: id,
  message_id: 'm',
  tool: 'office.send_mail',
  arguments: { to: id },
  gate,
  rule: 'ask-by-default',
  reason: 'may change something',
});
export const asks = (id: string): Body => ({
  type: 'tool_approval_request',
  turn_id: 't1',
  tool_call_id: id,
  tool: 'office.send_mail',
  arguments: { to: id },
  arguments_hash: `hash-${id}`,
  reason: 'may change something',
  expires_at: 99,
  approvers: ['me'],
  needed: 1,
});
export const resolved = (id: string, decision: 'approved' | 'rejected', reason?: string): Body => ({
  type: 'tool_approval_resolved',
  turn_id: 't1',
  tool_call_id: id,
  decision,
  by: 'ann',
  at: 5,
  ...(reason === undefined ? {} : { reason }),
});
export const result = (id: string, status: 'completed' | 'rejected' | 'failed'): Body => ({
  type: 'tool_result',
  turn_id: 't1',
  tool_call_id: id,
  status,
  result: status === 'completed' ? { content: [{ type: 'text', text: 'sent' }] } : null,
  error: status === 'failed' ? { code: 'tool_error', message: 'no such person' } : null,
});
export const status = (
  of: 'thinking' | 'running_tool' | 'waiting_approval' | 'idle',
  elapsedMs?: number,
): LiveFrame => ({
  type: 'agent_status',
  status: of,
  details: elapsedMs === undefined ? {} : { elapsed_ms: elapsedMs },
});
