import type { HttpRequest, HttpResponse } from 'uWebSockets.js';

/**
 * The answer to one long poll, as Engine.IO writes it. uWebSockets.js throws when an answer is touched after its client
 * has gone, and keeps what a client does not read without saying so: this one does nothing then, and tells how much
 * waits.
 */
export class PollAnswer {
  readonly #res: HttpResponse;
  readonly #waiting: (bytes: number) => void;
  readonly #headers: [string, string][];
  #status = '200 OK';
  #onAborted: (() => void)[] = [];
  #isAborted = false;
  #isEnded = false;

  /** @param waiting is told how many bytes of the answer the client has not taken yet, in the end 0 */
  constructor(res: HttpResponse, headers: [string, string][], waiting: (bytes: number) => void) {
    this.#res = res;
    this.#headers = [...headers];
    this.#waiting = waiting;
    res.onAborted(() => {
      this.#isAborted = true;
      waiting(0);
      for (const tell of this.#onAborted) tell();
    });
  }

  getRemoteAddressAsText(): ArrayBuffer {
    return this.#isAborted ? new ArrayBuffer(0) : this.#res.getRemoteAddressAsText();
  }

  onAborted(tell: () => void): void {
    this.#onAborted.push(tell);
  }

  onData(take: (chunk: ArrayBuffer, isLast: boolean) => void): void {
    if (!this.#isAborted) this.#res.onData(take);
  }

  writeStatus(status: string): this {
    this.#status = status;
    return this;
  }

  writeHeader(name: string, value: string): this {
    this.#headers.push([name, value]);
    return this;
  }

  cork(write: () => void): this {
    write();
    return this;
  }

  close(): void {
    if (!this.#isAborted && !this.#isEnded) this.#res.close();
  }

  end(text = ''): this {
    if (this.#isAborted || this.#isEnded) return this;
    this.#isEnded = true;
    const body = Buffer.from(text);
    this.#res.onWritable((offset) => this.#write(body.subarray(offset), body.length));
    this.#res.cork(() => {
      this.#res.writeStatus(this.#status);
      for (const [name, value] of this.#headers) this.#res.writeHeader(name, value);
      this.#write(body, body.length);
    });
    return this;
  }

  #write(rest: Buffer, total: number): boolean {
    const [isTaken, isDone] = this.#res.tryEnd(rest, total);
    this.#waiting(isDone ? 0 : total - this.#res.getWriteOffset());
    return isTaken || isDone;
  }
}

/** What Engine.IO asks of a request, copied out of uWebSockets.js before its handler returns. */
export class CopiedRequest {
  readonly #method: string;
  readonly #url: string;
  readonly #query: string;
  readonly #headers: [string, string][] = [];

  constructor(req: HttpRequest) {
    this.#method = req.getMethod();
    this.#url = req.getUrl();
    this.#query = req.getQuery();
    req.forEach((name, value) => {
      this.#headers.push([name, value]);
    });
  }

  getMethod(): string {
    return this.#method;
  }

  getUrl(): string {
    return this.#url;
  }

  getQuery(): string {
    return this.#query;
  }

  getHeader(name: string): string {
    return this.#headers.find(([known]) => known === name)?.[1] ?? '';
  }

  forEach(take: (name: string, value: string) => void): void {
    for (const [name, value] of this.#headers) take(name, value);
  }
}
