import type { Clock } from '../../src/client/runtime.ts';

interface Timer {
  at: number;
  order: number;
  work: () => void;
}

/** Time that passes only when it is told to; timers fire in the order of their times. */
export class VirtualTime implements Clock {
  #now = 1_700_000_000_000;
  #count = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, work: () => void): () => void {
    this.#count += 1;
    const timer = { at: this.#now + delayMs, order: this.#count, work };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass, timer by timer; what a timer set off has happened before the next one fires. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (let next = this.#next(); next && next.at <= end; next = this.#next()) {
      this.#timers.delete(next);
      this.#now = next.at;
      next.work();
      await settled();
    }
    this.#now = end;
  }

  #next(): Timer | undefined {
    return [...this.#timers].sort((one, other) => one.at - other.at || one.order - other.order)[0];
  }
}

/** Everything that promises had to do is done. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
