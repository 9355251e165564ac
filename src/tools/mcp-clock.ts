const longestMs = 2 ** 31 - 1;

/** A timeout that stands still while a person is asked. */
export class CallClock {
  readonly #expire: () => void;
  #leftMs: number;
  #since = 0;
  #stops = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number, expire: () => void) {
    this.#leftMs = Math.min(timeoutMs, longestMs);
    this.#expire = expire;
    this.#run();
  }

  /** To be followed by as many `resume`. */
  pause(): void {
    this.#stops += 1;
    if (this.#stops > 1) return;
    clearTimeout(this.#timer);
    this.#leftMs = Math.max(0, this.#leftMs - (Date.now() - this.#since));
  }

  resume(): void {
    this.#stops -= 1;
    if (this.#stops === 0) this.#run();
  }

  end(): void {
    this.#stops = Number.POSITIVE_INFINITY;
    clearTimeout(this.#timer);
  }

  #run(): void {
    this.#since = Date.now();
    this.#timer = setTimeout(this.#expire, this.#leftMs);
  }
}
