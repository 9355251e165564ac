import type { Socket } from 'socket.io';
import type { Emission } from './socket-io-emission.ts';
import type { SocketIoEngine } from './socket-io-engine.ts';
import { drainedBytes, fullBytes, hardBytes } from './websocket-outlet.ts';

const normalClosure = 1000;
/** A client that polls hears why it is sent away if it polls within this. */
export const farewellMs = 1_000;

/** The way out of one Socket.IO connection, over WebSocket or polling, for all of its sessions together. */
export class SocketIoLink {
  readonly #socket: Socket;
  readonly #engine: SocketIoEngine;
  /** Bytes that Engine.IO keeps until the client polls again. */
  #queuedBytes = 0;
  #waiting: (() => void)[] = [];
  #isOpen = true;
  /** The client's; null where it is not known. */
  readonly address: string | null;

  constructor(socket: Socket, engine: SocketIoEngine, address: string | null) {
    this.address = address;
    this.#socket = socket;
    this.#engine = engine;
    const { conn } = socket;
    conn.on('packetCreate', ({ data }: { data?: unknown }) => {
      if (typeof data === 'string') this.#queuedBytes += Buffer.byteLength(data);
    });
    conn.on('flush', () => {
      this.#queuedBytes = 0;
      this.#wake();
    });
    engine.watch(conn, () => this.#wake());
    conn.once('close', () => {
      this.#isOpen = false;
      engine.forget(conn);
      this.#wake();
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isFull(): boolean {
    return this.#isOpen && this.#waitingBytes > fullBytes;
  }

  get isOverrun(): boolean {
    return this.#isOpen && this.#waitingBytes > hardBytes;
  }

  /** @param offset what the client is to send back at a reconnect; the one before stands where it is left out */
  emit({ event, payload }: Emission, offset?: string): void {
    if (!this.#isOpen) return;
    if (offset === undefined) this.#socket.emit(event, payload);
    else this.#socket.emit(event, payload, offset);
  }

  cork(write: () => void): void {
    const wire = this.#isOpen ? this.#engine.wireOf(this.#socket.conn) : null;
    if (wire) wire.cork(write);
    else write();
  }

  async drained(): Promise<void> {
    while (this.#isOpen && this.#waitingBytes > drainedBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Closes so that the client comes back by itself. */
  end(code: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const wire = this.#engine.wireOf(this.#socket.conn);
    if (wire) wire.end(code, reason);
    else this.#endPolling();
    this.#wake();
  }

  /** Closes so that the client stays away until it is told otherwise. */
  dismiss(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#socket.disconnect();
    const wire = this.#engine.wireOf(this.#socket.conn);
    if (wire) wire.end(normalClosure, 'Dismissed');
    else this.#endPolling();
    this.#wake();
  }

  /** What is said already may still be polled for. Engine.IO's own way keeps the connection for half a minute. */
  #endPolling(): void {
    const { conn } = this.#socket;
    if (this.#queuedBytes === 0) {
      conn.close(true);
      return;
    }
    const late = setTimeout(() => conn.close(true), farewellMs);
    conn.once('drain', () => {
      clearTimeout(late);
      conn.close(true);
    });
  }

  get #waitingBytes(): number {
    return this.#queuedBytes + this.#engine.waitingBytes(this.#socket.conn);
  }

  /** In a later round: what is sent inside the socket's `drain` handler may stall it for good. */
  #wake(): void {
    const waiting = this.#waiting.splice(0);
    if (waiting.length > 0) setImmediate(() => waiting.forEach((resolve) => void resolve()));
  }
}
