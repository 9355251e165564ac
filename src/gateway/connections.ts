import type { WebSocket } from 'uWebSockets.js';
import type { Logger } from 'pino';
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
import { OpenSocket, type SocketHandler } from './open-socket.ts';
import type { Handled } from './parting.ts';
import { Receipt } from './receipt.ts';
import { restartDelayMs } from './restart-delay.ts';
import type { Traffic } from './traffic.ts';
import { WebSocketOutlet } from './websocket-outlet.ts';

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

/** All open connections of this process: opens them, pings them, closes the silent ones. */
export class Connections {
  readonly #deps: ConnectionsDeps;
  readonly #open = new Set<OpenSocket>();
  readonly #sweeper: NodeJS.Timeout;
  /** These two are the same for every connection. */
  readonly #track: <T>(work: Promise<T>) => Promise<T>;
  readonly #renew: (connectionId: string, token: string) => Promise<void>;

  constructor(deps: ConnectionsDeps) {
    this.#deps = deps;
    const { inFlight, gatekeeper, registry } = deps;
    this.#track = (work) => inFlight.track(work);
    this.#renew = async (connectionId, token) =>
      registry.renew(connectionId, await gatekeeper.byToken(token));
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), deps.timings.sweepMs);
  }

  get size(): number {
    return this.#open.size;
  }

  /** @param connectionId registered; this unregisters it when the socket is closed */
  open(
    ws: WebSocket<Handled>,
    granted: Granted,
    at: { connectionId: string; address: string | null },
  ): SocketHandler {
    const { connectionId, address } = at;
    const { attendance, commandsOf, framesPerSecond, readEvents, traffic, logger } = this.#deps;
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
    const receipt = received && this.#receipt(sessionId, identity.userId, received);
    const reader = new FrameReader({
      connection,
      via: 'websocket',
      address,
      commands: commandsOf(sessionId),
      typing: attendance.typing,
      receipt,
      framesPerSecond,
      logger,
      renew: this.#renew,
      track: this.#track,
    });
    const parts = { connection, hub, outlet, reader, receipt };
    const socket = new OpenSocket({ ...parts, all: this.#open, shared: this.#deps });
    logger.info({ session_id: sessionId, connection_id: connectionId }, 'connected');
    attendance.come(connection, hub);
    return socket;
  }

  #receipt(sessionId: string, userId: string, { device, seq }: { device: string; seq: number }): Receipt {
    const { inFlight, writeReceipt, logger } = this.#deps;
    const write = (next: number) => inFlight.track(writeReceipt({ sessionId, userId, device }, next));
    return new Receipt({ seq, write, logger });
  }

  /** Sends everybody away with the time after which to come back. */
  closeAll(): void {
    clearInterval(this.#sweeper);
    const crowd = this.#open.size;
    for (const socket of [...this.#open]) {
      const retryAfterMs = restartDelayMs(crowd);
      socket.close('restarting', `retry_after_ms=${retryAfterMs}`);
    }
  }

  #sweep(now: number): void {
    const { idleMs, pingMs } = this.#deps.timings;
    for (const socket of [...this.#open]) socket.sweep(now, { idleMs, pingMs });
  }
}
