import type { Logger } from 'pino';
import { PublicError } from '../protocol/errors.ts';
import { notTakingPart } from '../protocol/roles.ts';
import type { Db } from '../store/db.ts';
import { readOpenCalls } from '../store/open-calls.ts';
import { sessionAccess } from '../store/sessions.ts';
import type { Identity } from './auth.ts';
import type { Commands } from './commands.ts';
import { Connection } from './connection.ts';
import { FrameReader } from './frame-reader.ts';
import type { ReadEvents } from './hub-ports.ts';
import type { InFlight } from './in-flight.ts';
import type { SessionHub } from './session-hub.ts';
import type { SessionHubs } from './session-hubs.ts';
import { sessionIdPattern } from './session-id.ts';
import type { Emission } from './socket-io-emission.ts';
import type { SocketIoLink } from './socket-io-link.ts';
import { SocketIoOutlet } from './socket-io-outlet.ts';

export interface SocketIoSessionDeps {
  db: Db;
  hubs: SessionHubs;
  commands: Commands;
  inFlight: InFlight;
  readEvents: ReadEvents;
  logger: Logger;
}

/** That a Socket.IO connection takes part in one session. */
export class SocketIoSession {
  readonly id: string;
  /** The client has, or was told that it has, the events up to here. */
  readonly start: number;
  readonly #hubs: SessionHubs;
  readonly #hub: SessionHub;
  readonly #outlet: SocketIoOutlet;
  readonly #connection: Connection;
  readonly #reader: FrameReader;
  #isClosed = false;

  constructor(
    deps: SocketIoSessionDeps,
    options: { identity: Identity; hub: SessionHub; start: number; outlet: SocketIoOutlet },
  ) {
    const { hubs, commands, inFlight, readEvents, logger } = deps;
    const { identity, hub, start: lastSeq, outlet } = options;
    this.id = hub.sessionId;
    this.start = lastSeq;
    this.#hubs = hubs;
    this.#hub = hub;
    this.#outlet = outlet;
    const { sessionId } = hub;
    const filter = null;
    this.#connection = new Connection({ identity, sessionId, lastSeq, filter, outlet, readEvents, logger });
    const track = <T>(work: Promise<T>) => inFlight.track(work);
    this.#reader = new FrameReader({ connection: this.#connection, commands, logger, track });
  }

  /** Begins to deliver. */
  join(): void {
    this.#connection.join(this.#hub);
  }

  /** Takes a frame of the native protocol; its answer comes as an event. */
  read(frame: object): void {
    this.#reader.read(JSON.stringify(frame));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#outlet.stop();
    this.#connection.leave();
    this.#hubs.release(this.#hub);
  }
}

/**
 * Makes a connection take part in a session; who gets it calls `join`, and `close` once.
 * @param request.after the client has the events up to here; null begins at the session's end
 * @param request.isWanted asked after each wait
 * @throws PublicError `not_found`, `forbidden`; whatever the store says
 */
export async function openSocketIoSession(
  deps: SocketIoSessionDeps,
  request: {
    identity: Identity;
    sessionId: string;
    after: number | null;
    link: SocketIoLink;
    isWanted(): boolean;
    say(emission: Emission): void;
    onEnd(code: number, reason: string): void;
  },
): Promise<SocketIoSession | null> {
  const { identity, sessionId, link, say, onEnd } = request;
  const { tenant, userId } = identity;
  if (!sessionIdPattern.test(sessionId)) throw noSession();
  const access = await sessionAccess(deps.db, { sessionId, tenant, userId });
  if (access === 'missing') throw noSession();
  if (access === 'denied') throw notTakingPart();
  const hub = await deps.hubs.acquire(sessionId);
  if (!hub) throw noSession();
  try {
    const start = request.after ?? hub.lastSeq;
    const calls = await readOpenCalls(deps.db, { sessionId, after: start });
    if (request.isWanted()) {
      const outlet = new SocketIoOutlet({ sessionId, link, calls, say, onEnd });
      return new SocketIoSession(deps, { identity, hub, start, outlet });
    }
  } catch (error) {
    deps.hubs.release(hub);
    throw error;
  }
  deps.hubs.release(hub);
  return null;
}

function noSession(): PublicError {
  return new PublicError('not_found', 'There is no such session.');
}
