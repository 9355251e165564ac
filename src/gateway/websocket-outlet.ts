import type { WebSocket } from 'uWebSockets.js';
import type { Outgoing } from './outgoing.ts';
import type { Outlet } from './outlet.ts';
import { goodbyeMs, type Handled, Parting } from './parting.ts';

/** Bytes that wait in this process for one client; above it nothing live is sent until they have drained. */
export const fullBytes = 256 * 1024;
export const drainedBytes = 64 * 1024;
/** Above this even answers are too many: the connection is closed. */
export const hardBytes = 8 * 1024 * 1024;

/**
 * To be called for the socket's `ping`. uWebSockets.js answers each by itself and keeps what is not read: who pings and
 * reads nothing is cut off at the hard bound.
 * @returns false when it was closed
 */
export function boundPongs(ws: Pick<WebSocket<unknown>, 'getBufferedAmount' | 'close'>): boolean {
  if (ws.getBufferedAmount() <= hardBytes) return true;
  ws.close();
  return false;
}

/** The way out of one WebSocket: knows when it is closed, full, or drained. A closed socket is never touched. */
export class WebSocketOutlet implements Outlet {
  #ws: WebSocket<Handled> | null;
  readonly #goodbyeMs: number;
  #waiting: (() => void)[] = [];

  constructor(ws: WebSocket<Handled>, waitMs = goodbyeMs) {
    this.#ws = ws;
    this.#goodbyeMs = waitMs;
  }

  get isOpen(): boolean {
    return this.#ws !== null;
  }

  get isFull(): boolean {
    return this.#ws !== null && this.#ws.getBufferedAmount() > fullBytes;
  }

  get isOverrun(): boolean {
    return this.#ws !== null && this.#ws.getBufferedAmount() > hardBytes;
  }

  send(outgoing: Outgoing): void {
    this.#ws?.send(outgoing.json, false, false);
  }

  cork(write: () => void): void {
    this.#ws?.cork(write);
  }

  async drained(): Promise<void> {
    while (this.#ws && this.#ws.getBufferedAmount() > drainedBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /**
   * To be called for the socket's `drain`. Whoever waits goes on in a later round: what is sent inside the drain
   * handler and does not fit the kernel's buffer is never written on (tried: the socket then stalls for good).
   */
  onDrain(): void {
    const waiting = this.#waiting.splice(0);
    if (waiting.length > 0) setImmediate(() => waiting.forEach((resolve) => void resolve()));
  }

  /** To be called for the socket's `close`; uWebSockets.js throws on every later use. */
  onClose(): void {
    this.#ws = null;
    this.onDrain();
  }

  end(code: number, reason: string): void {
    const ws = this.#ws;
    if (!ws) return;
    // Both call the close handler before they return.
    if (ws.getBufferedAmount() === 0) ws.end(code, reason);
    else new Parting(ws, { code, reason }, this.#goodbyeMs);
  }
}
