import type { EventFrame, LiveFrame } from '../protocol/server-frames.ts';
import { type Deferred, defer } from './defer.ts';
import type { EventsPage } from './loader.ts';

/** An event of the session; or word that events before `last_seq` are gone and the history was read instead. */
export type SessionEvent = EventFrame | Extract<LiveFrame, { type: 'resync' }>;

/** Events that wait for a reader. One that is slower reads what it missed over HTTP. */
const maxWaiting = 1_000;

type Result = IteratorResult<SessionEvent, undefined>;

/** Every event once and in order, however slowly it is read, in bounded memory. For one reader at a time. */
export class EventStream implements AsyncIterableIterator<SessionEvent, undefined> {
  readonly #readAfter: (seq: number) => Promise<EventsPage>;
  readonly #onReturn: () => void;
  #waiting: SessionEvent[] = [];
  #reader: Deferred<Result> | null = null;
  /** Up to here it was read. */
  #seq: number;
  /** Up to here there is something. */
  #lastSeq: number;
  /** Up to here it was read over HTTP. */
  #readUpTo = 0;
  #isBehind = false;
  #isEnded = false;

  /** @param options.readAfter a page of the events after a seq, from the store */
  constructor(options: { seq: number; readAfter(seq: number): Promise<EventsPage>; onReturn(): void }) {
    this.#seq = options.seq;
    this.#lastSeq = options.seq;
    this.#readAfter = options.readAfter;
    this.#onReturn = options.onReturn;
  }

  push(event: SessionEvent): void {
    // What was read over HTTP may be ahead of the connection.
    if (event.type !== 'resync' && event.seq <= this.#readUpTo) return;
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
  async next(): Promise<Result> {
    while (this.#waiting.length === 0 && this.#isBehind) await this.#catchUp();
    const event = this.#waiting.shift();
    if (event) return this.#taken(event);
    if (this.#isEnded) return { done: true, value: undefined };
    this.#reader ??= defer<Result>();
    return this.#reader.promise;
  }

  async return(): Promise<Result> {
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

  #give(event: SessionEvent): void {
    const reader = this.#reader;
    this.#reader = null;
    reader?.resolve(this.#taken(event));
  }

  #taken(event: SessionEvent): Result {
    this.#seq = Math.max(this.#seq, seqOf(event));
    return { done: false, value: event };
  }
}

function seqOf(event: SessionEvent): number {
  return event.type === 'resync' ? event.last_seq : event.seq;
}
