import type { LiveFrame } from '../protocol/live-frames.ts';
import type { SentFrame } from './frames.ts';
import { type GateRules, gateRules } from './gate-rules.ts';

type Snapshot = Extract<LiveFrame, { type: 'stream_snapshot' }>;
export type DeltaFrame = Extract<LiveFrame, { type: 'stream_delta' | 'thought_delta' }>;

/** The text of one message, as far as it is known. */
export interface StreamText {
  readonly attempt: number;
  readonly content: string;
  readonly thought: string;
}

/**
 * How a client stays exact; docs/protocol.md, "Showing text exactly". An object, so that a test can replace a rule by
 * a wrong one and see that it is found out.
 */
export interface Rules extends GateRules {
  /** Whether an event is the next one, has been applied before, or comes after one that is missing. */
  order(lastSeq: number, seq: number): 'next' | 'repeat' | 'gap';
  /** Where the events stand when the gateway says that all up to `seq` is sent or not for us. */
  cursor(lastSeq: number, seq: number): number;
  /** A message begins at an attempt, with its first one or anew. */
  begin(known: StreamText | undefined, attempt: number): StreamText;
  /** `drop`: nothing new; `missing`: text before it never came. */
  delta(known: StreamText | undefined, frame: DeltaFrame): StreamText | 'drop' | 'missing';
  snapshot(known: StreamText | undefined, frame: Snapshot): StreamText | 'drop';
  /** Whether what a live frame says of a message is too late: it has ended, or was taken away at that attempt or a later one. */
  isLate(message: { isDone: boolean; goneAttempt: number | undefined }, attempt: number): boolean;
  /** What an ended message says. */
  end(known: StreamText | undefined, content: string): string;
  /** The `last_seq` to go on after. */
  resumeFrom(lastSeq: number): number;
  /** Up to where a page of the history goes. */
  historyEnd(lastSeq: number): number;
  /** Whether the history is read when events that were asked for are gone. */
  readsAgain(): boolean;
  /** Whether a gap is asked for. */
  asksAgain(): boolean;
  /** What is sent when there was no answer to it before the connection was lost; null sends nothing. */
  resend(frame: SentFrame): SentFrame | null;
  /** Whether a message is sent before the one before it is answered. */
  overtakes(): boolean;
}

const nothing = (attempt: number): StreamText => ({ attempt, content: '', thought: '' });

export const protocolRules: Rules = {
  ...gateRules,

  order: (lastSeq, seq) => (seq === lastSeq + 1 ? 'next' : seq <= lastSeq ? 'repeat' : 'gap'),

  cursor: (lastSeq, seq) => Math.max(lastSeq, seq),

  // A snapshot or a first delta may have told of the attempt already.
  begin: (known, attempt) => (known && known.attempt >= attempt ? known : nothing(attempt)),

  delta(known, frame) {
    if (known && frame.attempt < known.attempt) return 'drop';
    // A first delta tells of an attempt as well as its event does.
    const isNew = !known || frame.attempt > known.attempt;
    const text = isNew ? nothing(frame.attempt) : known;
    const channel = frame.type === 'stream_delta' ? 'content' : 'thought';
    const length = text[channel].length;
    if (frame.offset > length) return 'missing';
    const fresh = frame.delta.slice(length - frame.offset);
    return fresh === '' && !isNew ? 'drop' : { ...text, [channel]: text[channel] + fresh };
  },

  snapshot(known, frame) {
    const { attempt, content, thought = '' } = frame;
    if (!known || attempt > known.attempt) return { attempt, content, thought };
    if (attempt < known.attempt) return 'drop';
    return {
      attempt,
      content: longer(known.content, content),
      thought: longer(known.thought, thought),
    };
  },

  isLate: ({ isDone, goneAttempt }, attempt) =>
    isDone || (goneAttempt !== undefined && attempt <= goneAttempt),

  end: (_known, content) => content,

  resumeFrom: (lastSeq) => lastSeq,

  historyEnd: (lastSeq) => lastSeq,

  readsAgain: () => true,

  asksAgain: () => true,

  resend: (frame) => frame,

  overtakes: () => false,
};

/** An attempt has one writer: a snapshot behind what is shown (a draft that lags) takes nothing back. */
function longer(shown: string, snapshot: string): string {
  return shown.startsWith(snapshot) ? shown : snapshot;
}
