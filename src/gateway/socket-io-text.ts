import { limits } from '../protocol/limits.ts';
import type { DeltaFrame } from '../protocol/live-frames.ts';
import type { EventFrame } from '../protocol/server-frames.ts';
import type { Emission } from './socket-io-emission.ts';

type StreamEnd = Extract<EventFrame, { type: 'stream_end' }>;

/**
 * The text of the message that is being said, for a client that is shown all of it again and again: it gathers deltas,
 * and says when the next chunk may go.
 */
export class SocketIoText {
  readonly messageId: string;
  readonly #sessionId: string;
  readonly #turnId: string | undefined;
  #attempt: number;
  #now = { text: '', thought: '' };
  /** Text is null where the client may have some from before: then nobody knows what a delta would be. */
  #shown: { text: string | null; thought: string };
  #shownAt = Number.NEGATIVE_INFINITY;

  constructor(options: {
    sessionId: string;
    messageId: string;
    attempt: number;
    turnId?: string | undefined;
    /** The client was told that the message begins, so it shows nothing of it. */
    isNew: boolean;
  }) {
    this.#sessionId = options.sessionId;
    this.messageId = options.messageId;
    this.#attempt = options.attempt;
    this.#turnId = options.turnId;
    this.#shown = { text: options.isNew ? '' : null, thought: '' };
  }

  /** When the next chunk may go, in the clock of `now`. */
  get dueAt(): number {
    return this.#shownAt + limits.socketIoChunkMs;
  }

  get isDirty(): boolean {
    return this.#now.text !== this.#shown.text || this.#now.thought !== this.#shown.thought;
  }

  add(frame: DeltaFrame): void {
    const kind = frame.type === 'stream_delta' ? 'text' : 'thought';
    const length = this.#now[kind].length;
    // Below it is a repeat, above it something is missing and a snapshot is on its way.
    if (frame.attempt === this.#attempt && frame.offset === length) this.#now[kind] += frame.delta;
  }

  replace(attempt: number, content: { text: string; thought: string }): void {
    this.#attempt = attempt;
    this.#now = { ...content };
  }

  /** The chunks that show what has changed. */
  chunks(now: number, timestamp: number): Emission[] {
    return this.isDirty ? this.#show(now, timestamp) : [];
  }

  /** The last chunk, with the whole text; none of a message that only calls tools. */
  end(frame: StreamEnd, now: number): Emission[] {
    this.#now = { text: frame.content, thought: frame.thought ?? this.#now.thought };
    return this.#show(now, frame.ts, frame);
  }

  #show(now: number, timestamp: number, end?: StreamEnd): Emission[] {
    const { text, thought } = this.#now;
    const said = {
      id: this.messageId,
      session_id: this.#sessionId,
      ...(this.#turnId === undefined ? {} : { turn_id: this.#turnId }),
      timestamp,
    };
    const emissions: Emission[] = [];
    if (thought !== this.#shown.thought) {
      const delta = appended(this.#shown.thought, thought);
      const payload = { ...said, kind: 'reasoning' as const, content: thought, delta };
      emissions.push({ event: 'agent_thought', payload });
    }
    const isEmptyEnd = end !== undefined && text === '' && !this.#shown.text;
    if (!isEmptyEnd && (text !== this.#shown.text || end)) {
      const delta = appended(this.#shown.text, text);
      const payload = { ...said, content: text, delta, final: end !== undefined };
      const seq = end === undefined ? {} : { seq: end.seq };
      emissions.push({ event: 'agent_response_chunk', payload: { ...payload, ...seq } });
    }
    this.#shown = { text, thought };
    this.#shownAt = now;
    return emissions;
  }
}

/** What `after` has beyond `before`; empty where that is another text, or not known. */
function appended(before: string | null, after: string): string {
  return before !== null && after.startsWith(before) ? after.slice(before.length) : '';
}
