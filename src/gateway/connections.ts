import type { WebSocket } from 'uWebSockets.js';
import type { Logger } from 'pino';
import type { CloseReason } from '../protocol/close-codes.ts';
import type { DeviceOfSession } from '../store/receipts.ts';
import type { Granted } from './admission.ts';
import type { Attendance } from './attendance.ts';
import { Connection } from './connection.ts';
import type { ConnectionRegistry } from './connection-registry.ts';
import type { FrameCommands } from './feed-commands.ts';
import { FrameReader } from './frame-reader.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import type { ReadEvents } from './hub-ports.ts';
import type { InFlight } from './in-flight.ts';
import type { Handled } from './parting.ts';
import { Receipt } from './receipt.ts';
import type { Traffic } from './traffic.ts';
import { WebSocketOutlet } from './websocket-outlet.ts';

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

export interface ConnectionsDeps {
  attendance: Attendance;
  registry: ConnectionRegistry;
  gatekeeper: Gatekeeper;
  /** What frames may ask for, in a session or in a feed. */
  commandsOf(sessionId: string): FrameCommands;
  inFlight: InFlight;
  readEvents: ReadEvents;
  traffic: Traffic;
  framesPerSecond: number;
  writeReceipt(device: DeviceOfSession, seq: number): Promise<void>;
  timings: { idleMs: number; pingMs: number; sweepMs: number; stuckMs: number; goodbyeMs: number };
  logger: Logger;
}

interface Open {
  connection: Connection;
  lastFrameAt: number;
  lastPingAt: number;
}

/** A herd that is sent away comes back spread over this time. */
const restartLeastMs = 200;
const restartSpreadMs = 1_500;

/** All open connections of this process: opens them, pings them, closes the silent ones. */
export class Connections {
  readonly #deps: ConnectionsDeps;
  readonly #open = new Set<Open>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(deps: ConnectionsDeps) {
    this.#deps = deps;
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), deps.timings.sweepMs);
  }

  get size(): number {
    return this.#open.size;
  }

  /** @param connectionId registered; this unregisters it when the socket is closed */
  open(ws: WebSocket<Handled>, granted: Granted, connectionId: string): SocketHandler {
    const {
      attendance,
      registry,
      gatekeeper,
      commandsOf,
      framesPerSecond,
      inFlight,
      readEvents,
      traffic,
      logger,
    } = this.#deps;
    const { identity, hub, lastSeq, filter, received } = granted;
    const { sessionId } = hub;
    const { stuckMs, goodbyeMs } = this.#deps.timings;
    const outlet = new WebSocketOutlet(ws, goodbyeMs);
    const connection = new Connection({
      id: connectionId,
      identity,
      sessionId,
      lastSeq,
      filter,
      receivedSeq: received?.seq,
      outlet: traffic.measure('websocket', outlet),
      readEvents,
      stuckMs,
      logger,
    });
    const commands = commandsOf(sessionId);
    const track = <T>(work: Promise<T>) => inFlight.track(work);
    const renew = async (token: string) => registry.renew(connectionId, await gatekeeper.byToken(token));
    const { typing } = attendance;
    const receipt = received && this.#receipt(sessionId, identity.userId, received);
    const reader = new FrameReader({
      connection,
      commands,
      typing,
      receipt,
      framesPerSecond,
      logger,
      renew,
      track,
    });
    const now = performance.now();
    const entry: Open = { connection, lastFrameAt: now, lastPingAt: now };
    this.#open.add(entry);
    const ids = { session_id: sessionId, connection_id: connection.id };
    logger.info(ids, 'connected');
    attendance.come(connection, hub);
    const seen = () => {
      entry.lastFrameAt = performance.now();
    };
    return {
      text: (frame) => {
        seen();
        traffic.received('websocket');
        reader.read(frame);
      },
      binary: () => {
        seen();
        reader.refuse('Binary frames are not understood. Send JSON as text.');
      },
      tooLarge: () => connection.close('frameTooLarge'),
      alive: seen,
      drained: () => outlet.onDrain(),
      close: (reason, detail) => connection.close(reason, detail),
      closed: (code) => {
        outlet.onClose();
        receipt?.close();
        attendance.go(connection, hub);
        this.#open.delete(entry);
        logger.info({ ...ids, code }, 'disconnected');
      },
    };
  }

  #receipt(sessionId: string, userId: string, { device, seq }: { device: string; seq: number }): Receipt {
    const { inFlight, writeReceipt, logger } = this.#deps;
    const write = (next: number) => inFlight.track(writeReceipt({ sessionId, userId, device }, next));
    return new Receipt({ seq, write, logger });
  }

  /** Sends everybody away with the time after which to come back. */
  closeAll(): void {
    clearInterval(this.#sweeper);
    for (const { connection } of [...this.#open]) {
      const retryAfterMs = Math.round(restartLeastMs + Math.random() * restartSpreadMs);
      connection.close('restarting', `retry_after_ms=${retryAfterMs}`);
    }
  }

  #sweep(now: number): void {
    const { idleMs, pingMs } = this.#deps.timings;
    for (const entry of [...this.#open]) {
      if (now - entry.lastFrameAt >= idleMs) entry.connection.close('idle');
      else if (now - entry.lastPingAt >= pingMs) {
        entry.lastPingAt = now;
        entry.connection.send({ type: 'ping' });
      }
    }
  }
}
