/** Runs what it is given one after the other. Bounded: what does not fit is refused, never kept. */
export class FrameQueue {
  readonly #bounds: { maxFrames: number; maxChars: number };
  /** null: nothing was ever added. */
  #tail: Promise<void> | null = null;
  #frames = 0;
  #chars = 0;

  constructor(bounds: { maxFrames: number; maxChars: number }) {
    this.#bounds = bounds;
  }

  /**
   * @param work must not reject
   * @returns false when too much is waiting; `work` will not run
   */
  add(chars: number, work: () => Promise<void>): boolean {
    const { maxFrames, maxChars } = this.#bounds;
    if (this.#frames >= maxFrames || this.#chars + chars > maxChars) return false;
    this.#frames += 1;
    this.#chars += chars;
    this.#tail = (this.#tail ?? Promise.resolve()).then(work).finally(() => {
      this.#frames -= 1;
      this.#chars -= chars;
    });
    return true;
  }
}
