import { isDeepStrictEqual } from 'node:util';
import type { EventFrame } from '../../protocol/server-frames.ts';
import { type Conversation, numbered, type OpenCall } from './conversation.ts';
import { type Called, type LogItem, nameOf, resultText } from './log-item.ts';
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
      return askAgain(at, event);
    case 'tool_approval_vote': {
      const { by, approvals, needed } = event;
      return print(at, event, { kind: 'vote', ...calledOf(at, event.tool_call_id), by, approvals, needed });
    }
    case 'tool_approval_reminder': {
      const text = `${nameOf(calledOf(at, event.tool_call_id))} still waits for a decision of ${event.approvers.join(', ')}.`;
      return print(at, event, { kind: 'notice', text });
    }
    case 'tool_approval_resolved':
      return resolveApproval(at, event);
    case 'tool_result':
      return endCall(at, event);
    case 'tool_late_result': {
      const { status, result, error } = event;
      const text = error?.message ?? resultText(result);
      return print(at, event, { kind: 'late_result', ...calledOf(at, event.tool_call_id), status, text });
    }
    case 'input_request':
      return print(at, event, { kind: 'question', message: event.message });
    case 'input_resolved':
      return print(at, event, { kind: 'answer', action: event.action, by: event.by, content: event.content });
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
  const numbers = gate === 'ask' ? numbered(at.numbers, event.tool_call_id) : at.numbers;
  const next = { ...at, calls, numbers };
  return print(next, event, { kind: 'tool_call', ...calledOf(next, event.tool_call_id), gate, rule, reason });
}

/** Said only where it is asked again: what the call is to do stands above its first question. */
function askAgain(at: Conversation, event: Event<'tool_approval_request'>): Conversation {
  const { tool_call_id: toolCallId, tool, arguments: args, because, reason } = event;
  if (because === undefined) return at;
  const call: OpenCall = {
    progress: '',
    turnId: event.turn_id,
    tool,
    ...at.calls.get(toolCallId),
    arguments: args,
  };
  const calls = new Map(at.calls).set(toolCallId, call);
  const next = { ...at, calls, numbers: numbered(at.numbers, toolCallId) };
  return print(next, event, { kind: 'asked_again', ...calledOf(next, toolCallId), because, reason });
}

function resolveApproval(at: Conversation, event: Event<'tool_approval_resolved'>): Conversation {
  const { tool_call_id: toolCallId, decision: outcome, by, reason, arguments: edited, remember } = event;
  const called = calledOf(at, toolCallId);
  const known = at.calls.get(toolCallId);
  const calls =
    known && edited !== undefined
      ? new Map(at.calls).set(toolCallId, { ...known, arguments: edited })
      : at.calls;
  const item: LogItem = {
    kind: 'decision',
    ...called,
    outcome,
    by,
    ...(reason === undefined ? {} : { reason }),
    // What was changed before the last question stands above it.
    ...(edited === undefined || isDeepStrictEqual(edited, called.arguments) ? {} : { edited }),
    ...(remember === undefined ? {} : { remember }),
  };
  return print({ ...at, calls }, event, item);
}

function endCall(at: Conversation, event: Event<'tool_result'>): Conversation {
  const { tool_call_id: toolCallId, status, result, error } = event;
  const calls = new Map(at.calls);
  calls.delete(toolCallId);
  const next = { ...at, calls };
  // The decision and the gate are printed already, with their reasons.
  if (status === 'rejected' || status === 'denied') return next;
  const text = error?.message ?? resultText(result);
  return print(next, event, { kind: 'tool_result', ...calledOf(at, toolCallId), status, text });
}

function endOfTurn(at: Conversation, event: Event<'turn_end'>): Conversation {
  const calls = new Map([...at.calls].filter(([, call]) => call.turnId !== event.turn_id));
  const next = { ...at, calls };
  const { status } = event;
  const said =
    status === 'completed'
      ? next
      : print(next, event, { kind: 'turn_end', status, text: event.error?.message ?? '' });
  const ended = endTurn(said, event.turn_id);
  if (ended.turns.length > 0) return ended;
  return { ...ended, agent: { status: 'idle', since: event.ts, attempt: undefined, toolCallId: undefined } };
}

function calledOf(at: Conversation, toolCallId: string): Called {
  const call = at.calls.get(toolCallId);
  const number = at.numbers.get(toolCallId);
  return {
    tool: call?.tool ?? 'a tool',
    arguments: call?.arguments,
    ...(number === undefined ? {} : { number }),
  };
}
