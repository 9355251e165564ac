import { stampAt, stampChars } from './clock.ts';

/** Left out at the start of the window, so that the last stream's beginning is over. */
const settleMs = 500;

/** A token's way: milliseconds of the machine's clock. */
export interface Passage {
  writtenMs: number;
  receivedMs: number;
}

/** When each token of one stream was written and received; its text is stamps, whatever pieces it comes in. */
export class StreamLog {
  readonly passages: Passage[] = [];
  /** Stamps at the front of the text that are no token. */
  readonly #skip: number;
  #text = '';
  #read = 0;

  constructor(skip = 0) {
    this.#skip = skip;
    this.#read = skip;
  }

  get text(): string {
    return this.#text;
  }

  /** The stamp at a place of the text, among them those that are no token. */
  stamp(index: number): number {
    return stampAt(this.#text, index);
  }

  /**
   * Takes a piece that begins at `offset`.
   * @throws Error where text before it is missing: no client may ever see that
   */
  add(offset: number, piece: string, receivedMs: number): void {
    if (offset > this.#text.length) {
      throw new Error(`A delta came at ${offset}, but the text ends at ${this.#text.length}.`);
    }
    this.#text += piece.slice(this.#text.length - offset);
    const whole = Math.floor(this.#text.length / stampChars);
    for (; this.#read < whole; this.#read += 1) {
      this.passages.push({ writtenMs: stampAt(this.#text, this.#read), receivedMs });
    }
  }

  get tokens(): number {
    return this.#read - this.#skip;
  }
}

/** Some streams had ended before others began. */
export class NeverTogether extends Error {
  override readonly name = 'NeverTogether';
}

/**
 * The delays, in milliseconds, of the tokens that were written while all streams ran.
 * @throws NeverTogether where there was no such time
 */
export function delaysWhileAllRan(logs: StreamLog[]): { delays: number[]; fromMs: number; toMs: number } {
  const fromMs = Math.max(...logs.map((log) => log.passages[0]?.writtenMs ?? Infinity)) + settleMs;
  const toMs = Math.min(...logs.map((log) => log.passages.at(-1)?.writtenMs ?? -Infinity));
  if (!(toMs > fromMs)) throw new NeverTogether('There was no time in which all streams ran.');
  const delays = logs.flatMap((log) =>
    log.passages
      .filter(({ writtenMs }) => writtenMs >= fromMs && writtenMs <= toMs)
      .map(({ writtenMs, receivedMs }) => receivedMs - writtenMs),
  );
  return { delays, fromMs, toMs };
}
