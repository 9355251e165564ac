import type { CloseReason } from '../protocol/close-codes.ts';
import { limits } from '../protocol/limits.ts';
import type { SocketHandler } from './open-socket.ts';

const maxFrames = 64;
const maxChars = limits.frameBytes;

/** What a client sends while it is not decided whether it may come in: kept in its order, within bounds. */
export class EarlyFrames implements SocketHandler {
  readonly #refuse: () => void;
  readonly #end: (reason: CloseReason, detail?: string) => void;
  #frames: ((handler: SocketHandler) => void)[] = [];
  #chars = 0;
  /** Nothing that comes after a frame that closes is looked at. */
  #isFull = false;
  #isClosed = false;

  /**
   * @param refuse closes the socket: it sends more than is kept
   * @param end closes the socket, for who has a reason of the protocol
   */
  constructor(refuse: () => void, end: (reason: CloseReason, detail?: string) => void) {
    this.#refuse = refuse;
    this.#end = end;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  text(frame: string): void {
    this.#keep(frame.length, (handler) => handler.text(frame));
  }

  binary(): void {
    this.#keep(0, (handler) => handler.binary());
  }

  tooLarge(): void {
    this.#keep(0, (handler) => handler.tooLarge());
    this.#isFull = true;
  }

  alive(): void {
    // Nobody counts its silence yet.
  }

  drained(): void {
    // Nothing has been sent yet that somebody waits for.
  }

  close(reason: CloseReason, detail?: string): void {
    if (!this.#isClosed) this.#end(reason, detail);
  }

  closed(): void {
    this.#isClosed = true;
    this.#frames = [];
  }

  /** Gives what was kept to whom it was meant for. */
  replay(handler: SocketHandler): void {
    const frames = this.#frames;
    this.#frames = [];
    for (const give of frames) give(handler);
  }

  #keep(chars: number, give: (handler: SocketHandler) => void): void {
    if (this.#isFull) return;
    this.#frames.push(give);
    this.#chars += chars;
    if (this.#frames.length > maxFrames || this.#chars > maxChars) this.#refuse();
  }
}
