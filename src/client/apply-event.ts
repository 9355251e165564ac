import type { EventFrame } from '../protocol/server-frames.ts';
import type { Known } from './apply.ts';
import { applyGate } from './apply-gate.ts';
import { addMessage, changeMessage, messageOf, putTurn } from './parts.ts';
import type { Rules, StreamText } from './rules.ts';
import type { Message, SessionSnapshot } from './state.ts';

type Event<T extends EventFrame['type']> = Extract<EventFrame, { type: T }>;

/** The newest of each kind that are kept. */
const keptExternalEvents = 50;
const keptGone = 64;

/** What an event changes. Events are applied in order and once; said of a message that is here already, it replaces. */
export function applyEvent(known: Known, event: EventFrame, rules: Rules): Known {
  switch (event.type) {
    case 'stream_start':
      return begin(known, event, event.attempt, rules);
    case 'stream_reset':
      return event.attempt === undefined
        ? takeAway(known, [event.message_id])
        : begin(known, event, event.attempt, rules);
    case 'messages_removed':
      return takeAway(known, event.message_ids);
    case 'turn_end':
      return endTurn(known, event);
    default:
      return { ...known, view: applyToView(known.view, event, rules) };
  }
}

function applyToView(view: SessionSnapshot, event: EventFrame, rules: Rules): SessionSnapshot {
  switch (event.type) {
    case 'message_saved':
      return saveMessage(view, event);
    case 'turn_started':
      return event.turn_id === undefined
        ? view
        : { ...putTurn(view, event.turn_id, { status: 'running' }), agentThought: null };
    case 'stream_end':
      return endStream(view, event, rules);
    case 'tool_call':
    case 'tool_approval_request':
    case 'tool_approval_reminder':
    case 'tool_approval_vote':
    case 'tool_approval_resolved':
    case 'tool_started':
    case 'tool_result':
    case 'tool_late_result':
    case 'input_request':
    case 'input_resolved':
      return applyGate(view, event, rules);
    case 'external_event':
      return { ...view, externalEvents: [...view.externalEvents, event].slice(-keptExternalEvents) };
    case 'session_updated': {
      const { title = view.title, state = view.state, participants = view.participants } = event;
      return { ...view, title, state, participants };
    }
    default:
      // A newer gateway may say what this client does not know.
      return view;
  }
}

/** The text of a message that is being said; undefined where nothing is. */
export function textOf(view: SessionSnapshot, messageId: string): StreamText | undefined {
  const message = messageOf(view, messageId);
  return message?.state === 'streaming' ? message : undefined;
}

/** Shows the text of an open message, which comes into being where it is not there yet. */
export function putText(
  view: SessionSnapshot,
  messageId: string,
  text: StreamText,
  turnId: string | null = null,
): SessionSnapshot {
  const { attempt, content, thought } = text;
  if (messageOf(view, messageId)) {
    return changeMessage(view, messageId, { attempt, content, thought, state: 'streaming' });
  }
  return addMessage(view, { id: messageId, turnId, role: 'assistant', state: 'streaming', ...text });
}

function begin(
  known: Known,
  event: Event<'stream_start' | 'stream_reset'>,
  attempt: number,
  rules: Rules,
): Known {
  const { message_id: messageId, turn_id: turnId = null } = event;
  const text = rules.begin(textOf(known.view, messageId), attempt);
  const view = putText(known.view, messageId, text, turnId);
  // An attempt that begins is no longer taken away; deltas of those before it are older than it.
  const gone = new Map(known.gone);
  gone.delete(messageId);
  return { ...known, gone, view: changeMessage(view, messageId, { turnId, ts: event.ts }) };
}

function takeAway(known: Known, messageIds: readonly string[]): Known {
  const removed = new Set(messageIds);
  const gone = new Map(known.gone);
  for (const id of messageIds) {
    gone.set(id, textOf(known.view, id)?.attempt ?? Number.POSITIVE_INFINITY);
  }
  for (const id of [...gone.keys()].slice(0, -keptGone)) gone.delete(id);
  const messages = known.view.messages.filter((message) => !removed.has(message.id));
  return { ...known, gone, view: { ...known.view, messages } };
}

function endStream(view: SessionSnapshot, event: Event<'stream_end'>, rules: Rules): SessionSnapshot {
  const { message_id: id, turn_id: turnId = null, thought = '', finish_reason: finishReason, ts } = event;
  const said = {
    turnId,
    content: rules.end(textOf(view, id), event.content),
    thought,
    finishReason,
    ts,
    state: 'done',
  } as const;
  if (messageOf(view, id)) return changeMessage(view, id, said);
  return addMessage(view, { id, role: 'assistant', attempt: 0, ...said });
}

function saveMessage(view: SessionSnapshot, event: Event<'message_saved'>): SessionSnapshot {
  const { message_id: id, turn_id: turnId = null, role, content, attachments, ts } = event;
  // A tool's answer is part of its call.
  if (role === 'tool') return view;
  const message: Pick<Message, 'id' | 'turnId' | 'role' | 'state'> & Partial<Message> = {
    id,
    turnId,
    role,
    state: 'done',
    content,
    attachments,
    ts,
    clientMessageId: event.client_message_id ?? null,
    userId: event.user_id ?? null,
  };
  const isNewTurn = turnId !== null && !view.turns.some((turn) => turn.id === turnId);
  const opened = isNewTurn ? putTurn(view, turnId, { status: 'queued' }) : view;
  const queue = opened.queue.filter((item) => item.id !== event.client_message_id);
  return { ...addMessage(opened, message), queue };
}

function endTurn(known: Known, event: Event<'turn_end'>): Known {
  const { turn_id: turnId, status, error = null, usage, debug = null } = event;
  if (turnId === undefined) return known;
  // The gateway ends a turn's streams before the turn; one that is still open was missed and says nothing more.
  const open = known.view.messages.filter((one) => one.turnId === turnId && one.state === 'streaming');
  const next =
    open.length > 0
      ? takeAway(
          known,
          open.map((message) => message.id),
        )
      : known;
  const view = putTurn(next.view, turnId, { status, error, usage, debug });
  const inputs = view.inputs.filter((input) => input.turn_id !== turnId);
  return { ...next, view: { ...view, inputs } };
}
