import type { HttpResponse } from 'uWebSockets.js';

/** Kept before anybody asked for the body: what a socket hands over in one read. */
const heldBytes = 1024 * 1024;
/** Of a body that is too large, this much is read away, so that its sender gets to read the answer. */
const discardBytes = 64 * 1024 * 1024;

export type ReadOutcome = { bytes: Buffer } | { fault: 'too large' | 'too slow' | 'gone' };

/**
 * A large body, read when it is asked for: until then its sender is held back. What is above the bound is dropped as it
 * comes, never kept.
 */
export class BodyReader {
  readonly #res: HttpResponse;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #max = heldBytes;
  #isPaused = true;
  #isGone = false;
  #isCut = false;
  /** The whole body came. */
  #isRead = false;
  #settle: ((outcome: ReadOutcome) => void) | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(res: HttpResponse) {
    this.#res = res;
    res.onData((chunk, isLast) => this.#take(chunk, isLast));
    res.pause();
  }

  /** An answer to a body that was not read to its end must close the connection. */
  get isRead(): boolean {
    return this.#isRead;
  }

  /** To be called once. */
  read(options: { maxBytes: number; boundMs: number }): Promise<ReadOutcome> {
    this.#max = options.maxBytes;
    return new Promise((resolve) => {
      this.#timer = setTimeout(() => this.#end({ fault: 'too slow' }), options.boundMs);
      this.#settle = resolve;
      if (this.#isGone) this.#end({ fault: 'gone' });
      else if (this.#isRead) this.#end(this.#outcome());
      else this.#resume();
    });
  }

  /** Reads away what nobody wants, so that the answer is read: up to a bound of size and time. */
  async discard(boundMs: number): Promise<void> {
    if (!this.#isPaused || this.#isGone) return;
    await this.read({ maxBytes: 0, boundMs });
  }

  /** To be called when the client has gone. */
  abort(): void {
    this.#isGone = true;
    this.#end({ fault: 'gone' });
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#res.resume();
  }

  #take(chunk: ArrayBuffer, isLast: boolean): void {
    this.#bytes += chunk.byteLength;
    // The chunk is ours only until this returns.
    this.#isCut ||= this.#bytes > this.#max;
    if (this.#isCut) this.#chunks = [];
    else this.#chunks.push(Buffer.from(Buffer.from(chunk)));
    this.#isRead = isLast;
    // Also where nobody has asked yet: what comes next on this connection is another request.
    if (isLast) {
      this.#resume();
      this.#end(this.#outcome());
    } else if (this.#bytes > this.#max + discardBytes) this.#end({ fault: 'too large' });
  }

  #outcome(): ReadOutcome {
    return this.#isCut || this.#bytes > this.#max
      ? { fault: 'too large' }
      : { bytes: Buffer.concat(this.#chunks) };
  }

  #end(outcome: ReadOutcome): void {
    clearTimeout(this.#timer);
    if (this.#settle === null) return;
    this.#settle(outcome);
    this.#settle = null;
    this.#chunks = [];
  }
}
