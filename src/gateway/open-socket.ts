import type { Logger } from 'pino';
import type { CloseReason } from '../protocol/close-codes.ts';
import type { Attendance } from './attendance.ts';
import type { Connection } from './connection.ts';
import type { FrameReader } from './frame-reader.ts';
import type { Receipt } from './receipt.ts';
import type { SessionHub } from './session-hub.ts';
import type { Traffic } from './traffic.ts';
import type { WebSocketOutlet } from './websocket-outlet.ts';

/** What happens to one open socket. */
export interface SocketHandler {
  text(frame: string): void;
  binary(): void;
  tooLarge(): void;
  /** A ping or pong of the WebSocket itself: the client is there. */
  alive(): void;
  drained(): void;
  close(reason: CloseReason, detail?: string): void;
  /** The socket is closed. */
  closed(code: number): void;
}

/** What every open socket shares. */
interface Shared {
  attendance: Attendance;
  traffic: Traffic;
  logger: Logger;
}

/** One open WebSocket that was let in. Methods and no closures: a gateway holds many thousands that do nothing. */
export class OpenSocket implements SocketHandler {
  readonly #connection: Connection;
  readonly #hub: SessionHub;
  readonly #outlet: WebSocketOutlet;
  readonly #reader: FrameReader;
  readonly #receipt: Receipt | null;
  readonly #all: Set<OpenSocket>;
  readonly #shared: Shared;
  #lastFrameAt = performance.now();
  #lastPingAt = this.#lastFrameAt;

  /** @param options.all it is in there as long as it is open */
  constructor(options: {
    connection: Connection;
    hub: SessionHub;
    outlet: WebSocketOutlet;
    reader: FrameReader;
    receipt: Receipt | null;
    all: Set<OpenSocket>;
    shared: Shared;
  }) {
    this.#connection = options.connection;
    this.#hub = options.hub;
    this.#outlet = options.outlet;
    this.#reader = options.reader;
    this.#receipt = options.receipt;
    this.#all = options.all;
    this.#shared = options.shared;
    this.#all.add(this);
  }

  text(frame: string): void {
    this.alive();
    this.#shared.traffic.received('websocket');
    this.#reader.read(frame);
  }

  binary(): void {
    this.alive();
    this.#reader.refuse('Binary frames are not understood. Send JSON as text.');
  }

  tooLarge(): void {
    this.#connection.close('frameTooLarge');
  }

  alive(): void {
    this.#lastFrameAt = performance.now();
  }

  drained(): void {
    this.#outlet.onDrain();
  }

  close(reason: CloseReason, detail?: string): void {
    this.#connection.close(reason, detail);
  }

  closed(code: number): void {
    this.#outlet.onClose();
    this.#receipt?.close();
    this.#shared.attendance.go(this.#connection, this.#hub);
    this.#all.delete(this);
    const { sessionId, id } = this.#connection;
    this.#shared.logger.info({ session_id: sessionId, connection_id: id, code }, 'disconnected');
  }

  /** Pings a client, and closes one that has been silent for too long. */
  sweep(now: number, { idleMs, pingMs }: { idleMs: number; pingMs: number }): void {
    if (now - this.#lastFrameAt >= idleMs) this.close('idle');
    else if (now - this.#lastPingAt >= pingMs) {
      this.#lastPingAt = now;
      this.#connection.send({ type: 'ping' });
    }
  }
}
