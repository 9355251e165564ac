import { setTimeout as delay } from 'node:timers/promises';

/** What is under way and should be finished before the process ends. */
export class InFlight {
  readonly #promises = new Set<Promise<unknown>>();

  /** Keeps an eye on `work`, which handles its own failure. */
  track<T>(work: Promise<T>): Promise<T> {
    const settled = Promise.allSettled([work]);
    this.#promises.add(settled);
    void settled.then(() => this.#promises.delete(settled));
    return work;
  }

  /** Waits for all of it, at most `boundMs`. Answers how much is left. */
  async settle(boundMs: number): Promise<number> {
    const bound = delay(boundMs, 'late' as const, { ref: false });
    while (this.#promises.size > 0) {
      if ((await Promise.race([Promise.all(this.#promises), bound])) === 'late') break;
    }
    return this.#promises.size;
  }
}
