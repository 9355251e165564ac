import type { MessagesPage, MessageView, SessionView } from '../protocol/http.ts';
import type { EventFrame } from '../protocol/server-frames.ts';
import { type Known, startKnown } from './apply.ts';
import { applyEvent } from './apply-event.ts';
import { addMessage, putCall } from './parts.ts';
import { protocolRules } from './rules.ts';
import type { Message, SessionSnapshot, ToolCall } from './state.ts';

type CallView = NonNullable<MessageView['tool_calls']>[number];

/**
 * The session as it was at one moment: what is over from its messages, and the last turns, which may still be open,
 * from their events too, by the same rules that follow the connection.
 */
export function fromHistory(session: SessionView, page: MessagesPage, events: readonly EventFrame[]): Known {
  const empty = startKnown(session.id, page.last_seq);
  const view = putMessages(empty.view, page.messages);
  const { title, state, participants = [] } = session;
  const known: Known = { ...empty, view: { ...view, title, state, participants, olderCursor: page.next } };
  const next = events.reduce<Known>((at, event) => applyEvent(at, event, protocolRules), known);
  return { ...next, view: { ...next.view, isLoaded: true } };
}

/**
 * The turns that may be open, and the first of them: the last one that has a final answer, and those after it. Turns
 * run in order, so all before it are over.
 */
export function lastTurns(messages: readonly MessageView[]): { turnIds: Set<string>; first: string | null } {
  const isFinal = (message: MessageView) => message.role === 'assistant' && !message.tool_calls?.length;
  const answered = messages.findLast(isFinal)?.turn_id ?? messages[0]?.turn_id;
  const from = messages.findIndex((message) => message.turn_id === answered);
  const turnIds = new Set(messages.slice(Math.max(0, from)).map((message) => message.turn_id));
  return { turnIds, first: answered ?? null };
}

/** Puts an older page before what is there. What is there already is not put twice. */
export function prependPage(view: SessionSnapshot, page: MessagesPage): SessionSnapshot {
  const known = new Set(view.messages.map((message) => message.id));
  const older = putMessages(
    { ...view, messages: [], toolCalls: {} },
    page.messages.filter((message) => !known.has(message.id)),
  );
  return {
    ...view,
    messages: [...older.messages, ...view.messages],
    toolCalls: { ...older.toolCalls, ...view.toolCalls },
    olderCursor: page.next,
  };
}

function putMessages(view: SessionSnapshot, messages: readonly MessageView[]): SessionSnapshot {
  return messages.reduce(putMessage, view);
}

function putMessage(view: SessionSnapshot, message: MessageView): SessionSnapshot {
  if (message.role === 'tool') {
    const id = message.tool_call_id;
    // Its call may stand on an older page.
    return id === undefined ? view : putCall(view, id, { turnId: message.turn_id, result: message.content });
  }
  const calls = message.tool_calls ?? [];
  const shown: Pick<Message, 'id'> & Partial<Message> = {
    id: message.id,
    turnId: message.turn_id,
    role: message.role,
    content: message.content,
    thought: message.thought ?? '',
    toolCallIds: calls.map((call) => call.tool_call_id),
    attachments: message.attachments ?? [],
    clientMessageId: message.client_message_id ?? null,
    finishReason: message.finish_reason ?? null,
    ts: message.ts,
  };
  return calls.reduce((at, call) => putCallView(at, message, call), addMessage(view, shown));
}

function putCallView(view: SessionSnapshot, message: MessageView, call: CallView): SessionSnapshot {
  const { tool_call_id: id, tool, gate, reason } = call;
  const status = statusOf(call.status);
  const known = { messageId: message.id, turnId: message.turn_id, tool, gate, reason, status };
  return putCall(view, id, { ...known, arguments: call.arguments });
}

const statuses: readonly string[] = [
  'completed',
  'failed',
  'rejected',
  'denied',
  'cancelled',
  'unknown',
] satisfies ToolCall['status'][];

function statusOf(stored: string): ToolCall['status'] {
  return statuses.includes(stored) ? (stored as ToolCall['status']) : 'proposed';
}
