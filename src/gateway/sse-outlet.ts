import type { HttpResponse } from 'uWebSockets.js';
import type { Outlet } from './outlet.ts';

/** What an event stream needs of a frame; an {@link Outgoing} is one, and so is a frame of another stream. */
export interface SseFrame {
  json: string;
  /** The `id` of the event: what a client that has it sends as `Last-Event-ID`. */
  resumeAt?: number | undefined;
}

/** Code units that may be said into a stream that is full: answers are short. */
const hardChars = 8 * 1024 * 1024;

/**
 * Server-sent events on one response. uWebSockets.js keeps what the kernel does not take, without bound, and does not
 * say how much that is. It only says that something waits: so nothing more is sent from then until all of it is gone. A
 * reader that takes nothing at all for about ten seconds meanwhile is cut off by uWebSockets.js itself.
 */
export class SseOutlet implements Outlet {
  #res: HttpResponse | null;
  #isFull = false;
  #isCorked = false;
  #charsSinceFull = 0;
  #waiting: (() => void)[] = [];
  readonly #onClosed: () => void;

  /**
   * Writes the head of the answer. The caller tells of the response's abortion by {@link onClose}.
   * @param options.onClosed called once: the client has gone, or {@link end} was called
   */
  constructor(res: HttpResponse, options: { headers: [string, string][]; onClosed(): void }) {
    this.#res = res;
    this.#onClosed = options.onClosed;
    res.onWritable(() => {
      // Called before uWebSockets.js sends what waits; whether all of it went shows when that is done.
      setImmediate(() => this.#probe());
      return true;
    });
    this.cork(() => {
      res.writeStatus('200 OK');
      res.writeHeader('Content-Type', 'text/event-stream');
      res.writeHeader('Cache-Control', 'no-store');
      res.writeHeader('X-Content-Type-Options', 'nosniff');
      // Proxies that collect answers would hold frames back.
      res.writeHeader('X-Accel-Buffering', 'no');
      for (const [name, value] of options.headers) res.writeHeader(name, value);
      this.#write(':\n\n');
    });
  }

  get isOpen(): boolean {
    return this.#res !== null;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get isOverrun(): boolean {
    return this.#charsSinceFull > hardChars;
  }

  send({ json, resumeAt }: SseFrame): void {
    this.#write(`${resumeAt === undefined ? '' : `id: ${resumeAt}\n`}data: ${json}\n\n`);
  }

  /** A line that says nothing, so that proxies see the stream live. */
  keepAlive(): void {
    if (!this.#isFull) this.#write(':\n\n');
  }

  cork(write: () => void): void {
    this.#res?.cork(() => {
      this.#isCorked = true;
      write();
      this.#isCorked = false;
    });
  }

  async drained(): Promise<void> {
    while (this.#res && this.#isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** An event of its own name tells why; `retry_after_ms=` in the reason becomes the time to come back after. */
  end(code: number, reason: string): void {
    const res = this.#res;
    if (!res) return;
    const retryMs = /retry_after_ms=(\d+)/.exec(reason)?.[1];
    const retry = retryMs === undefined ? '' : `retry: ${retryMs}\n`;
    const goodbye = `${retry}event: close\ndata: ${JSON.stringify({ code, reason })}\n\n`;
    // Who takes nothing would not take a goodbye either, and uWebSockets.js would keep what waits.
    if (this.#isFull) res.close();
    else res.cork(() => res.end(goodbye));
    this.onClose();
  }

  /** Ends the stream after its last frame, which needs no goodbye. */
  finish(): void {
    const res = this.#res;
    if (!res) return;
    res.cork(() => res.end());
    this.onClose();
  }

  /** To be called when the response is aborted; it is never touched afterwards. */
  onClose(): void {
    if (!this.#res) return;
    this.#res = null;
    this.#wakeAll();
    this.#onClosed();
  }

  #write(text: string): void {
    if (!this.#isCorked) {
      this.cork(() => this.#write(text));
      return;
    }
    if (!this.#res) return;
    if (this.#isFull) this.#charsSinceFull += text.length;
    if (!this.#res.write(text)) this.#isFull = true;
  }

  /** A comment is the only way to ask whether something waits still. */
  #probe(): void {
    if (!this.#res || !this.#isFull) return;
    this.#isFull = false;
    this.#write(':\n\n');
    if (this.#isFull) return;
    this.#charsSinceFull = 0;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
