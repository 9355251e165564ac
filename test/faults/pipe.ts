import type { Socket } from 'node:net';

/** Between two pieces of a sliced chunk, so that the other end reads them apart. */
const pieceEveryMs = 1;

/** One direction of a connection: bytes go on in their order, at once, later, or in pieces. */
export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  #held: Buffer[] = [];
  #isPaused = false;
  #isStopped = false;
  #sliceBytes: number | null = null;
  #isPumping = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => {
      if (this.#isStopped) return;
      this.#held.push(chunk);
      void this.#pump();
    });
    to.on('drain', () => {
      if (!this.#isPaused && !this.#isStopped) from.resume();
    });
  }

  /** Bytes wait: the sender fills its own buffers, as on a network that stands still. */
  pause(): void {
    this.#isPaused = true;
    this.#from.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#from.resume();
    void this.#pump();
  }

  /** Whatever comes from now on is lost. */
  stop(): void {
    this.#isStopped = true;
    this.#held = [];
  }

  /** @param bytes size of the pieces; null for whole chunks again */
  slice(bytes: number | null): void {
    this.#sliceBytes = bytes;
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (!this.#isPaused && !this.#isStopped) {
      const chunk = this.#held.shift();
      if (!chunk) break;
      const bytes = this.#sliceBytes;
      if (bytes === null || chunk.length <= bytes) this.#write(chunk);
      else {
        this.#write(chunk.subarray(0, bytes));
        this.#held.unshift(chunk.subarray(bytes));
        await new Promise((resolve) => setTimeout(resolve, pieceEveryMs));
      }
    }
    this.#isPumping = false;
  }

  #write(bytes: Buffer): void {
    if (!this.#to.destroyed && !this.#to.write(bytes)) this.#from.pause();
  }
}
