import type { EventFrame, LiveFrame } from '../../protocol/server-frames.ts';

/** The message that the agent is saying now. */
export interface OpenStream {
  messageId: string;
  attempt: number;
  content: string;
  thought: string;
}

export interface StreamText {
  stream: OpenStream | null;
  /** The message that ended last; what still comes of it is late. */
  endedId: string | null;
  /** Text before a delta never came: the client has to send `resume`, and a snapshot comes. */
  isMissing: boolean;
}

export const noText: StreamText = { stream: null, endedId: null, isMissing: false };

type Delta = Extract<LiveFrame, { type: 'stream_delta' | 'thought_delta' }>;
type Snapshot = Extract<LiveFrame, { type: 'stream_snapshot' }>;

/** Applies a frame to the open stream; frames that say nothing about it change nothing. */
export function applyText(text: StreamText, frame: EventFrame | LiveFrame): StreamText {
  switch (frame.type) {
    case 'welcome':
      // A new connection brings a snapshot of what is open.
      return { ...text, isMissing: false };
    case 'stream_start':
      return opened(text, frame.message_id, frame.attempt);
    case 'stream_reset':
      if (frame.attempt !== undefined) return opened(text, frame.message_id, frame.attempt);
      return ended(frame.message_id);
    case 'stream_end':
      return ended(frame.message_id);
    case 'stream_delta':
      return addDelta(text, frame, 'content');
    case 'thought_delta':
      return addDelta(text, frame, 'thought');
    case 'stream_snapshot':
      return takeSnapshot(text, frame);
    default:
      return text;
  }
}

function opened(text: StreamText, messageId: string, attempt: number): StreamText {
  return { ...text, stream: { messageId, attempt, content: '', thought: '' }, isMissing: false };
}

function ended(messageId: string): StreamText {
  return { stream: null, endedId: messageId, isMissing: false };
}

function addDelta(text: StreamText, frame: Delta, channel: 'content' | 'thought'): StreamText {
  if (frame.message_id === text.endedId) return text;
  const { stream } = text;
  if (stream?.messageId !== frame.message_id) return { ...text, isMissing: true };
  if (frame.attempt < stream.attempt) return text;
  const known = stream[channel].length;
  if (frame.attempt > stream.attempt || frame.offset > known) return { ...text, isMissing: true };
  const fresh = frame.delta.slice(known - frame.offset);
  if (fresh === '') return text;
  return { ...text, stream: { ...stream, [channel]: stream[channel] + fresh }, isMissing: false };
}

function takeSnapshot(text: StreamText, frame: Snapshot): StreamText {
  if (frame.message_id === text.endedId) return text;
  const { message_id: messageId, attempt, content, thought = '' } = frame;
  const known = text.stream?.messageId === messageId ? text.stream : null;
  if (known && attempt < known.attempt) return text;
  const isSame = known?.attempt === attempt;
  const stream: OpenStream = {
    messageId,
    attempt,
    content: isSame ? longer(known.content, content) : content,
    thought: isSame ? longer(known.thought, thought) : thought,
  };
  return { ...text, stream, isMissing: false };
}

/** One writer says an attempt: a snapshot behind what is shown (a draft that lags) takes nothing back. */
function longer(shown: string, snapshot: string): string {
  return shown.startsWith(snapshot) ? shown : snapshot;
}
