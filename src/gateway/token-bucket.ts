export interface Rate {
  perSecond: number;
  /** At once, where nothing was taken before. */
  burst: number;
}

/** How many of something a second are fine: saves up to `burst`, and knows by how much it is overdrawn. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  /** @param now milliseconds on any clock, the same in every call */
  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** Takes one. Answers what is left: below zero it was one too many, and the more so the lower. */
  take(now: number): number {
    this.#tokens = this.#filled(now) - 1;
    this.#at = now;
    return this.#tokens;
  }

  /** Milliseconds until one can be taken without overdrawing; 0 is now. */
  wait(now: number): number {
    return Math.max(0, Math.ceil(((1 - this.#filled(now)) / this.#rate.perSecond) * 1_000));
  }

  /** So long quiet that a new one would be the same. */
  isFull(now: number): boolean {
    return this.#filled(now) >= this.#rate.burst;
  }

  #filled(now: number): number {
    return Math.min(this.#rate.burst, this.#tokens + ((now - this.#at) / 1_000) * this.#rate.perSecond);
  }
}
