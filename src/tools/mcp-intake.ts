const bytesPerSecond = 8 * 1024 * 1024;
const burstBytes = 4 * bytesPerSecond;
/** What a message costs to read beyond its bytes, in bytes. */
const messageCostBytes = 8 * 1024;

/** Longest message of a server. A longer one ends its connection. */
export const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;

/**
 * How fast one server is listened to: in a flood, it is read no faster than this, and waits. About 1,000 small messages
 * a second, after a burst of 4,000.
 */
export class Intake {
  #leftBytes = burstBytes;
  #at = Date.now();

  /** @returns for how long to read nothing more, in milliseconds */
  take(bytes: number, messages: number): number {
    const now = Date.now();
    const regained = ((now - this.#at) / 1_000) * bytesPerSecond;
    this.#leftBytes = Math.min(burstBytes, this.#leftBytes + Math.max(0, regained));
    this.#at = now;
    this.#leftBytes -= bytes + messages * messageCostBytes;
    return this.#leftBytes >= 0 ? 0 : Math.ceil((-this.#leftBytes / bytesPerSecond) * 1_000);
  }
}
