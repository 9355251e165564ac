import type { WebSocket } from 'uWebSockets.js';
import type { SocketHandler } from './open-socket.ts';

/** How long a goodbye may wait behind what a client has not read. */
export const goodbyeMs = 15_000;

export interface Handled {
  handler: SocketHandler | null;
}

/**
 * The end of a socket that still holds much for its client. uWebSockets.js would keep it for two minutes, whether
 * anything of it is read or not. Here it hears its goodbye if it reads in time, and is closed without one if not. To
 * everybody else it is closed already.
 */
export class Parting implements SocketHandler {
  readonly #ws: WebSocket<Handled>;
  readonly #goodbye: { code: number; reason: string };
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;

  constructor(ws: WebSocket<Handled>, goodbye: { code: number; reason: string }, waitMs: number) {
    this.#ws = ws;
    this.#goodbye = goodbye;
    this.#timer = setTimeout(() => ws.close(), waitMs);
    const data = ws.getUserData();
    const { handler } = data;
    data.handler = this;
    handler?.closed(goodbye.code);
  }

  drained(): void {
    // In a later round: nothing may be sent inside the drain handler.
    setImmediate(() => {
      if (this.#isClosed || this.#ws.getBufferedAmount() > 0) return;
      const { code, reason } = this.#goodbye;
      this.#ws.end(code, reason);
    });
  }

  closed(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  text(): void {
    // Whoever is sent away is not heard any more.
  }
  binary(): void {
    // Nor here.
  }
  tooLarge(): void {
    // Nor here.
  }
  alive(): void {
    // Its time runs whether it is there or not.
  }
  close(): void {
    // It is on its way out.
  }
}
