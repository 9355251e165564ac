/**
 * How often something may happen for each key: `perSecond` in the long run, `burst` at once. Keys that are full again
 * are forgotten, so that it holds what was busy in the last seconds and nothing else.
 */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #used = new Map<string, { used: number; at: number }>();
  #sweptAt = 0;

  constructor(options: { perSecond: number; burst: number }) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
  }

  /** @param now milliseconds; @returns 0 when it may happen now, else after how many milliseconds */
  take(key: string, now: number = performance.now()): number {
    this.#sweep(now);
    const used = this.#usedAt(key, now);
    if (used + 1 > this.#burst) return Math.ceil(((used + 1 - this.#burst) / this.#perSecond) * 1_000);
    this.#used.set(key, { used: used + 1, at: now });
    return 0;
  }

  get size(): number {
    return this.#used.size;
  }

  #usedAt(key: string, now: number): number {
    const entry = this.#used.get(key);
    if (!entry) return 0;
    return Math.max(0, entry.used - ((now - entry.at) / 1_000) * this.#perSecond);
  }

  /** At most once in the time in which a key becomes full again. */
  #sweep(now: number): void {
    if (now - this.#sweptAt < (this.#burst / this.#perSecond) * 1_000) return;
    this.#sweptAt = now;
    for (const key of this.#used.keys()) if (this.#usedAt(key, now) === 0) this.#used.delete(key);
  }
}
