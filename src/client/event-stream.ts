import type { LiveFrame } from '../protocol/live-frames.ts';
import type { EventFrame } from '../protocol/server-frames.ts';
import { type Deferred, defer } from './defer.ts';

/** Word that events up to `last_seq` are gone, and that what they came to was read instead. */
export type Resync = Extract<LiveFrame, { type: 'resync' }>;
/** An event of a session. */
export type SessionEvent = EventFrame | Resync;

/** A page of what happened. */
export interface Page<E> {
  events: E[];
  /** How far it goes: the next page begins after it. */
  upTo: number;
}

/** Events that wait for a reader. One that is slower reads what it missed over HTTP. */
const maxWaiting = 1_000;

type Result<E> = IteratorResult<E | Resync, undefined>;

/** Every event once and in order, however slowly it is read, in bounded memory. For one reader at a time. */
export class EventStream<E extends { type: string; seq: number }>
  implements AsyncIterableIterator<E | Resync, undefined>
{
  readonly #readAfter: (seq: number) => Promise<Page<E>>;
  readonly #onReturn: () => void;
  #waiting: (E | Resync)[] = [];
  #reader: Deferred<Result<E>> | null = null;
  /** Up to here it was read. */
  #seq: number;
  /** Up to here there is something. */
  #lastSeq: number;
  /** Up to here it was read over HTTP. */
  #readUpTo = 0;
  #isBehind = false;
  #isEnded = false;

  /** @param options.readAfter a page of the events after a seq, from the store */
  constructor(options: { seq: number; readAfter(seq: number): Promise<Page<E>>; onReturn(): void }) {
    this.#seq = options.seq;
    this.#lastSeq = options.seq;
    this.#readAfter = options.readAfter;
    this.#onReturn = options.onReturn;
  }

  push(event: E | Resync): void {
    // What was read over HTTP may be ahead of the connection.
    if (!('last_seq' in event) && event.seq <= this.#readUpTo) return;
    this.#lastSeq = seqOf(event);
    if (this.#isBehind) return;
    if (this.#reader) this.#give(event);
    else if (this.#waiting.length < maxWaiting) this.#waiting.push(event);
    else this.#isBehind = true;
  }

  /** Where the session was found to be, before anything was read of it. */
  startAt(seq: number): void {
    this.#seq = seq;
    this.#lastSeq = seq;
  }

  end(): void {
    this.#isEnded = true;
    this.#reader?.resolve({ done: true, value: undefined });
    this.#reader = null;
  }

  /** Rejects where what was missed cannot be read; asked again, it tries again. */
  async next(): Promise<Result<E>> {
    while (this.#waiting.length === 0 && this.#isBehind) await this.#catchUp();
    const event = this.#waiting.shift();
    if (event) return this.#taken(event);
    if (this.#isEnded) return { done: true, value: undefined };
    this.#reader ??= defer<Result<E>>();
    return this.#reader.promise;
  }

  async return(): Promise<Result<E>> {
    this.#waiting = [];
    this.end();
    this.#onReturn();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #catchUp(): Promise<void> {
    const page = await this.#readAfter(this.#seq);
    this.#waiting.push(...page.events);
    this.#seq = page.upTo;
    this.#readUpTo = page.upTo;
    // What came meanwhile was not kept: it is on the next page.
    if (page.upTo >= this.#lastSeq) this.#isBehind = false;
  }

  #give(event: E | Resync): void {
    const reader = this.#reader;
    this.#reader = null;
    reader?.resolve(this.#taken(event));
  }

  #taken(event: E | Resync): Result<E> {
    this.#seq = Math.max(this.#seq, seqOf(event));
    return { done: false, value: event };
  }
}

function seqOf(event: { seq: number } | Resync): number {
  return 'last_seq' in event ? event.last_seq : event.seq;
}
