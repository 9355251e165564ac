import { type Rate, TokenBucket } from './token-bucket.ts';

/**
 * How often something may happen for each key. Keys that are full again are forgotten, so that it holds what was busy
 * in the last seconds and nothing else.
 */
export class RateLimit {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, TokenBucket>();
  #sweptAt = 0;

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** @param now milliseconds; @returns 0 when it may happen now, else after how many milliseconds */
  take(key: string, now: number = performance.now()): number {
    this.#sweep(now);
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#rate, now);
    const wait = bucket.wait(now);
    if (wait > 0) return wait;
    bucket.take(now);
    this.#buckets.set(key, bucket);
    return 0;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** At most once in the time in which a key becomes full again. */
  #sweep(now: number): void {
    if (now - this.#sweptAt < (this.#rate.burst / this.#rate.perSecond) * 1_000) return;
    this.#sweptAt = now;
    for (const [key, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(key);
  }
}
