import type { AckFrame, LiveFrame } from '../protocol/live-frames.ts';
import type { EventFrame, ServerFrame } from '../protocol/server-frames.ts';
import { applyEvent, putText, textOf } from './apply-event.ts';
import { messageOf } from './parts.ts';
import type { DeltaFrame, Rules } from './rules.ts';
import { emptySnapshot, type QueuedItem, type SessionSnapshot, waitsForMe } from './state.ts';

/** What is known of a session: what is shown, and what was taken away, so that nothing late brings it back. */
export interface Known {
  readonly view: SessionSnapshot;
  /** The attempt at which a message was taken away; the newest ones. */
  readonly gone: ReadonlyMap<string, number>;
  /** Whether each message's beginning is told; else its first delta tells it. */
  readonly hasStarts: boolean;
}

export interface Applied {
  known: Known;
  /** Whether the frame counted: an event that is the next one, a live frame that said something. */
  isTaken: boolean;
  /** What has to be asked for: events that are missing, text that is missing, or the history anew. */
  want: 'nothing' | 'events' | 'text' | 'history';
}

export function startKnown(sessionId: string, lastSeq = 0, hasStarts = true): Known {
  return { view: emptySnapshot(sessionId, lastSeq), gone: new Map(), hasStarts };
}

/** Pure. Applies a frame as it came from the gateway; events only in the order of `seq` and once. */
export function applyFrame(known: Known, frame: ServerFrame, rules: Rules): Applied {
  if (isEvent(frame)) return applyInOrder(known, frame, rules);
  const { view } = known;
  switch (frame.type) {
    case 'stream_delta':
    case 'thought_delta':
      return applyDelta(known, frame, rules);
    case 'stream_snapshot': {
      if (isLate(known, frame, rules)) return ignored(known);
      const text = rules.snapshot(textOf(view, frame.message_id), frame);
      return text === 'drop' ? ignored(known) : taken(known, putText(view, frame.message_id, text));
    }
    case 'cursor':
      return taken(known, { ...view, lastSeq: rules.cursor(view.lastSeq, frame.seq) });
    case 'resync':
      return rules.readsAgain()
        ? { known, isTaken: true, want: 'history' }
        : taken(known, { ...view, lastSeq: frame.last_seq });
    default:
      return taken(known, applyLive(view, frame));
  }
}

/** An event; every other frame either has no `seq` or is a cursor. */
export function isEvent(frame: ServerFrame): frame is EventFrame {
  return 'seq' in frame && frame.type !== 'cursor';
}

function applyInOrder(known: Known, event: EventFrame, rules: Rules): Applied {
  const order = rules.order(known.view.lastSeq, event.seq);
  if (order === 'repeat') return ignored(known);
  if (order === 'gap') return { known, isTaken: false, want: 'events' };
  const next = applyEvent(known, event, rules);
  return { known: { ...next, view: { ...next.view, lastSeq: event.seq } }, isTaken: true, want: 'nothing' };
}

function applyDelta(known: Known, frame: DeltaFrame, rules: Rules): Applied {
  if (isLate(known, frame, rules)) return ignored(known);
  const stream = textOf(known.view, frame.message_id);
  // It may be late, of one that is over; or what told of it was lost, and a snapshot comes.
  if (!stream && known.hasStarts) return { known, isTaken: false, want: 'text' };
  const text = rules.delta(stream, frame);
  if (text === 'drop') return ignored(known);
  if (text === 'missing') return { known, isTaken: false, want: 'text' };
  return taken(known, putText(known.view, frame.message_id, text));
}

function isLate(known: Known, frame: { message_id: string; attempt: number }, rules: Rules): boolean {
  const isDone = messageOf(known.view, frame.message_id)?.state === 'done';
  return rules.isLate({ isDone, goneAttempt: known.gone.get(frame.message_id) }, frame.attempt);
}

function ignored(known: Known): Applied {
  return { known, isTaken: false, want: 'nothing' };
}

function taken(known: Known, view: SessionSnapshot): Applied {
  return { known: view === known.view ? known : { ...known, view }, isTaken: true, want: 'nothing' };
}

function applyLive(view: SessionSnapshot, frame: LiveFrame): SessionSnapshot {
  switch (frame.type) {
    case 'welcome':
      // What the agent does and who is there is said again at each connection.
      return { ...view, user: frame.user, agent: null, presence: [], typing: [] };
    case 'agent_status': {
      const { status, turn_id, details } = frame;
      const agent = {
        status,
        turnId: turn_id ?? null,
        attempt: details.attempt ?? null,
        toolCallId: details.tool_call_id ?? null,
        elapsedMs: details.elapsed_ms ?? null,
      };
      return { ...view, agent };
    }
    case 'agent_thought':
      return { ...view, agentThought: frame.content };
    case 'tool_progress': {
      const call = view.toolCalls[frame.tool_call_id];
      if (!call) return view;
      const { progress, total = null, message = '' } = frame;
      const next = { ...call, progress: { progress, total, message } };
      return { ...view, toolCalls: { ...view.toolCalls, [call.id]: next } };
    }
    case 'presence':
      return { ...view, presence: frame.users };
    case 'typing': {
      const others = view.typing.filter((userId) => userId !== frame.user_id);
      return { ...view, typing: frame.active ? [...others, frame.user_id] : others };
    }
    default:
      return view;
  }
}

export function enqueue(view: SessionSnapshot, item: QueuedItem): SessionSnapshot {
  return { ...view, queue: [...view.queue, item] };
}

export function unqueue(view: SessionSnapshot, id: string): SessionSnapshot {
  const queue = view.queue.filter((item) => item.id !== id);
  return queue.length === view.queue.length ? view : { ...view, queue };
}

/**
 * A message and a decision stay in the queue until their event is here, so that nothing is missing in between; what
 * changes nothing more, or has its event already, leaves it.
 */
export function acknowledge(view: SessionSnapshot, id: string, ack: AckFrame): SessionSnapshot {
  const item = view.queue.find((queued) => queued.id === id);
  if (!item) return view;
  if (ack.disposition === 'conflict' || hasShown(view, item)) return unqueue(view, id);
  const queue = view.queue.map((queued) =>
    queued.id === id ? { ...queued, status: 'accepted' as const } : queued,
  );
  return { ...view, queue };
}

/** Its event is here, or it is asked again by now. */
function hasDecided(view: SessionSnapshot, item: Extract<QueuedItem, { kind: 'decision' }>): boolean {
  const call = view.toolCalls[item.toolCallId];
  return !call || call.approval?.round !== item.round || !waitsForMe(view, call);
}

function hasShown(view: SessionSnapshot, item: QueuedItem): boolean {
  switch (item.kind) {
    case 'message':
      return view.messages.some((message) => message.clientMessageId === item.id);
    case 'decision':
      return hasDecided(view, item);
    case 'answer':
      return !view.inputs.some((input) => input.request_id === item.requestId);
    case 'cancel':
      return true;
  }
}
