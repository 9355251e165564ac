/** Runs what it is given one after the other. Bounded: what does not fit is refused, never kept. */
export class FrameQueue {
  readonly #maxFrames: number;
  readonly #maxChars: number;
  #tail: Promise<void> = Promise.resolve();
  #frames = 0;
  #chars = 0;

  constructor(bounds: { maxFrames: number; maxChars: number }) {
    this.#maxFrames = bounds.maxFrames;
    this.#maxChars = bounds.maxChars;
  }

  /**
   * @param work must not reject
   * @returns false when too much is waiting; `work` will not run
   */
  add(chars: number, work: () => Promise<void>): boolean {
    if (this.#frames >= this.#maxFrames || this.#chars + chars > this.#maxChars) return false;
    this.#frames += 1;
    this.#chars += chars;
    this.#tail = this.#tail.then(work).finally(() => {
      this.#frames -= 1;
      this.#chars -= chars;
    });
    return true;
  }
}
