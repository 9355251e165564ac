import type { Logger } from 'pino';

const writeEveryMs = 1_000;

/**
 * What one device says it has received, on its way to the store: the highest of a second, and the last at the close.
 * A write that fails is tried again with the next.
 */
export class Receipt {
  readonly #write: (seq: number) => Promise<void>;
  readonly #logger: Logger;
  #seq: number;
  #writtenSeq: number;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;

  /** @param options.seq what the store knows already */
  constructor(options: { seq: number; write(seq: number): Promise<void>; logger: Logger }) {
    this.#seq = options.seq;
    this.#writtenSeq = options.seq;
    this.#write = options.write;
    this.#logger = options.logger;
  }

  note(seq: number): void {
    if (seq <= this.#seq) return;
    this.#seq = seq;
    this.#timer ??= setTimeout(
      () => this.#flush(),
      Math.max(0, this.#writtenAt + writeEveryMs - performance.now()),
    );
  }

  /** Writes what is not written yet. */
  close(): void {
    this.#flush();
  }

  #flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const seq = this.#seq;
    if (seq <= this.#writtenSeq) return;
    const before = this.#writtenSeq;
    this.#writtenSeq = seq;
    this.#writtenAt = performance.now();
    this.#write(seq).catch((error: unknown) => {
      this.#writtenSeq = Math.min(this.#writtenSeq, before);
      this.#logger.warn({ err: error }, 'a receipt could not be written; the next one brings it');
    });
  }
}
