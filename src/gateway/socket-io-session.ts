import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import { notTakingPart } from '../protocol/roles.ts';
import type { Db } from '../store/db.ts';
import { readOpenCalls } from '../store/open-calls.ts';
import { type DeviceOfSession, readReceipt } from '../store/receipts.ts';
import { sessionAccess } from '../store/sessions.ts';
import type { Attendance } from './attendance.ts';
import type { Identity } from './auth.ts';
import type { Commands } from './commands.ts';
import { Connection } from './connection.ts';
import type { ConnectionRegistry } from './connection-registry.ts';
import { FrameReader } from './frame-reader.ts';
import type { ReadEvents } from './hub-ports.ts';
import { InFlight } from './in-flight.ts';
import { Receipt } from './receipt.ts';
import type { SessionHub } from './session-hub.ts';
import type { SessionHubs } from './session-hubs.ts';
import { sessionIdPattern } from './session-id.ts';
import type { Emission } from './socket-io-emission.ts';
import type { SocketIoLink } from './socket-io-link.ts';
import { SocketIoOutlet } from './socket-io-outlet.ts';
import { refusalOf } from './standing.ts';
import type { Traffic } from './traffic.ts';

export interface SocketIoSessionDeps {
  db: Db;
  hubs: SessionHubs;
  registry: ConnectionRegistry;
  attendance: Attendance;
  framesPerSecond: number;
  commands: Commands;
  inFlight: InFlight;
  readEvents: ReadEvents;
  writeReceipt(device: DeviceOfSession, seq: number): Promise<void>;
  traffic: Traffic;
  logger: Logger;
}

/** An answer that takes longer does not hold up a new token. */
const settleMs = 5_000;

/** That a Socket.IO connection takes part in one session. */
export class SocketIoSession {
  readonly id: string;
  /** The client has, or was told that it has, the events up to here. */
  readonly start: number;
  readonly #deps: SocketIoSessionDeps;
  readonly #hub: SessionHub;
  readonly #outlet: SocketIoOutlet;
  readonly #connection: Connection;
  readonly #reader: FrameReader;
  readonly #receipt: Receipt | null;
  readonly #answering = new InFlight();
  #isClosed = false;

  constructor(
    deps: SocketIoSessionDeps,
    options: {
      id: string;
      identity: Identity;
      hub: SessionHub;
      start: number;
      /** Where the client names itself: up to where everything has arrived at it. */
      received: { device: string; seq: number } | null;
      outlet: SocketIoOutlet;
      address: string | null;
    },
  ) {
    const { attendance, commands, framesPerSecond, inFlight, readEvents, logger } = deps;
    const { typing } = attendance;
    const { hub, identity, start: lastSeq, received, outlet } = options;
    const { sessionId } = hub;
    this.id = sessionId;
    this.start = lastSeq;
    this.#deps = deps;
    this.#hub = hub;
    this.#outlet = outlet;
    this.#connection = new Connection({
      ...options,
      outlet: deps.traffic.measure('socket_io', outlet),
      sessionId,
      lastSeq,
      filter: null,
      receivedSeq: received?.seq,
      readEvents,
      logger,
    });
    const track = <T>(work: Promise<T>) => inFlight.track(this.#answering.track(work));
    this.#receipt = received && this.#receiptOf(identity.userId, received);
    this.#reader = new FrameReader({
      connection: this.#connection,
      via: 'socket_io',
      address: options.address,
      commands,
      typing,
      receipt: this.#receipt,
      framesPerSecond,
      logger,
      // A new token is for the whole Socket.IO connection, not for one of its sessions.
      renew: () => Promise.reject(new PublicError('validation_error', 'Send the event "auth".')),
      track,
    });
  }

  /** Begins to deliver. */
  join(): void {
    this.#deps.attendance.come(this.#connection, this.#hub);
  }

  /** Takes a frame of the native protocol; its answer comes as an event. */
  read(frame: object): void {
    this.#deps.traffic.received('socket_io');
    this.#reader.read(JSON.stringify(frame));
  }

  /** Goes on with another token of the same user; see the registry's `renew`. */
  renew(identity: Identity): Promise<void> {
    return this.#deps.registry.renew(this.#connection.id, identity);
  }

  /** Settles when what was asked for is answered, or after a while. */
  async settled(): Promise<void> {
    await this.#answering.settle(settleMs);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outlet.stop();
    this.#receipt?.close();
    this.#deps.attendance.go(this.#connection, this.#hub);
  }

  #receiptOf(userId: string, { device, seq }: { device: string; seq: number }): Receipt {
    const { inFlight, writeReceipt, logger } = this.#deps;
    const write = (next: number) =>
      inFlight.track(writeReceipt({ sessionId: this.id, userId, device }, next));
    return new Receipt({ seq, write, logger });
  }
}

export interface SessionRequest {
  identity: Identity;
  sessionId: string;
  /** The client has the events up to here; null begins at the session's end. */
  after: number | null;
  device: string | null;
  link: SocketIoLink;
  say(emission: Emission): void;
  onEnd(code: number, reason: string): void;
}

/**
 * Makes a connection take part in a session; who gets it calls `join`, and `close` once. It may have been ended
 * meanwhile: then `onEnd` was called, and the answer is null.
 * @throws PublicError `not_found`, `forbidden`, `rate_limit`; whatever the store says
 */
export async function openSocketIoSession(
  deps: SocketIoSessionDeps,
  request: SessionRequest,
): Promise<SocketIoSession | null> {
  const { identity, sessionId } = request;
  const { tenant, userId } = identity;
  if (!sessionIdPattern.test(sessionId)) throw noSession();
  const access = await sessionAccess(deps.db, { sessionId, tenant, userId });
  if (access === 'missing') throw noSession();
  if (access === 'denied') throw notTakingPart();
  const hub = await deps.hubs.acquire(sessionId);
  if (!hub) throw noSession();
  const opened = await enter(deps, request, hub).catch((error: unknown) => {
    deps.hubs.release(hub);
    throw error;
  });
  if (!opened) deps.hubs.release(hub);
  return opened;
}

async function enter(
  deps: SocketIoSessionDeps,
  request: SessionRequest,
  hub: SessionHub,
): Promise<SocketIoSession | null> {
  const { identity, sessionId, device, link, say, onEnd } = request;
  const start = request.after ?? hub.lastSeq;
  const [calls, received] = await Promise.all([
    readOpenCalls(deps.db, { sessionId, after: start }),
    receivedBy(deps.db, { sessionId, userId: identity.userId }, device),
  ]);
  const outlet = new SocketIoOutlet({ sessionId, link, calls, say, onEnd });
  const id = uuidv7();
  const close = (reason: CloseReason, detail?: string) => {
    // The client's own registration ends with the same token, and lets its sessions wait for the next one.
    if (reason === 'tokenExpired') return;
    const { code, reason: text } = closeCodes[reason];
    outlet.end(code, detail === undefined ? text : `${text}; ${detail}`);
  };
  const answer = await deps.registry.register({
    connectionId: id,
    sessionId,
    identity,
    device,
    close,
  });
  if ('refused' in answer) throw refusalOf(answer.refused);
  if (outlet.isOpen)
    return new SocketIoSession(deps, { id, identity, hub, start, received, outlet, address: link.address });
  deps.registry.unregister(id);
  return null;
}

async function receivedBy(
  db: Db,
  who: { sessionId: string; userId: string },
  device: string | null,
): Promise<{ device: string; seq: number } | null> {
  return device === null ? null : { device, seq: await readReceipt(db, { ...who, device }) };
}

function noSession(): PublicError {
  return new PublicError('not_found', 'There is no such session.');
}
