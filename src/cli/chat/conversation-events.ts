import type { EventFrame } from '../../protocol/server-frames.ts';
import type { Conversation, OpenCall } from './conversation.ts';
import { type LogItem, resultText } from './log-item.ts';
import { append, endTurn, openTurn, runTurn } from './turn-log.ts';

type Event<T extends EventFrame['type']> = Extract<EventFrame, { type: T }>;

/** A durable event's effect; what is being said comes from the client. */
export function applyEvent(at: Conversation, event: EventFrame): Conversation {
  switch (event.type) {
    case 'message_saved':
      return saveMessage(at, event);
    case 'turn_started':
      return event.turn_id === undefined ? at : runTurn(at, event.turn_id);
    case 'stream_end': {
      const { content: text, thought = '' } = event;
      return text === '' && thought === '' ? at : print(at, event, { kind: 'assistant', text, thought });
    }
    case 'tool_call':
      return proposeCall(at, event);
    case 'tool_approval_request':
      return askApproval(at, event);
    case 'tool_approval_resolved':
      return resolveApproval(at, event);
    case 'tool_result':
      return endCall(at, event);
    case 'turn_end':
      return endOfTurn(at, event);
    default:
      return at;
  }
}

function print(at: Conversation, event: EventFrame, item: LogItem): Conversation {
  return append(at, event.turn_id, item);
}

function saveMessage(at: Conversation, event: Event<'message_saved'>): Conversation {
  if (event.role !== 'user') return at;
  const opened = event.turn_id === undefined ? at : openTurn(at, event.turn_id);
  const outgoing = at.outgoing.filter((item) => item.id !== event.client_message_id);
  return print({ ...opened, outgoing }, event, { kind: 'user', text: event.content });
}

function proposeCall(at: Conversation, event: Event<'tool_call'>): Conversation {
  const { tool, arguments: args, gate, rule, reason } = event;
  const call: OpenCall = { turnId: event.turn_id, tool, arguments: args, progress: '' };
  const calls = new Map(at.calls).set(event.tool_call_id, call);
  return print({ ...at, calls }, event, { kind: 'tool_call', tool, arguments: args, gate, rule, reason });
}

function askApproval(at: Conversation, event: Event<'tool_approval_request'>): Conversation {
  const { tool_call_id: toolCallId, tool, arguments: args, arguments_hash, reason, expires_at } = event;
  const asked = {
    toolCallId,
    turnId: event.turn_id,
    tool,
    arguments: args,
    argumentsHash: arguments_hash,
    reason,
    expiresAt: expires_at,
    askedAt: event.ts,
  };
  return { ...at, approvals: [...withoutApproval(at, toolCallId), asked] };
}

function resolveApproval(at: Conversation, event: Event<'tool_approval_resolved'>): Conversation {
  const { tool_call_id: toolCallId, decision: outcome, by, reason } = event;
  const item: LogItem = {
    kind: 'decision',
    ...calledOf(at, toolCallId),
    outcome,
    by,
    ...(reason === undefined ? {} : { reason }),
  };
  return print(forgetApproval(at, toolCallId), event, item);
}

function endCall(at: Conversation, event: Event<'tool_result'>): Conversation {
  const { tool_call_id: toolCallId, status, result, error } = event;
  const calls = new Map(at.calls);
  calls.delete(toolCallId);
  const next = { ...forgetApproval(at, toolCallId), calls };
  // The decision and the gate are printed already, with their reasons.
  if (status === 'rejected' || status === 'denied') return next;
  const text = error?.message ?? resultText(result);
  return print(next, event, { kind: 'tool_result', ...calledOf(at, toolCallId), status, text });
}

function endOfTurn(at: Conversation, event: Event<'turn_end'>): Conversation {
  const calls = new Map([...at.calls].filter(([, call]) => call.turnId !== event.turn_id));
  const approvals = at.approvals.filter((approval) => approval.turnId !== event.turn_id);
  const next = { ...at, calls, approvals };
  const { status } = event;
  const said =
    status === 'completed'
      ? next
      : print(next, event, { kind: 'turn_end', status, text: event.error?.message ?? '' });
  const ended = endTurn(said, event.turn_id);
  if (ended.turns.length > 0) return ended;
  return { ...ended, agent: { status: 'idle', since: event.ts, attempt: undefined, toolCallId: undefined } };
}

function calledOf(at: Conversation, toolCallId: string): { tool: string; arguments: unknown } {
  const call = at.calls.get(toolCallId);
  return { tool: call?.tool ?? 'a tool', arguments: call?.arguments };
}

function withoutApproval(at: Conversation, toolCallId: string) {
  return at.approvals.filter((approval) => approval.toolCallId !== toolCallId);
}

function forgetApproval(at: Conversation, toolCallId: string): Conversation {
  const outgoing = at.outgoing.filter((item) => item.kind !== 'decision' || item.toolCallId !== toolCallId);
  return { ...at, approvals: withoutApproval(at, toolCallId), outgoing };
}
