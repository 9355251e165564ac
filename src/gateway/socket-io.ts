import type { TemplatedApp } from 'uWebSockets.js';
import { Server, type Socket } from 'socket.io';
import { PublicError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { type SocketIoAuth, socketIoAuth } from '../protocol/socket-io.ts';
import { socketIoErrorTypes } from '../protocol/socket-io-events.ts';
import type { Identity } from './auth.ts';
import type { Route } from './client-address.ts';
import { bearerToken } from './credentials.ts';
import type { OriginCheck } from './origins.ts';
import { publicError } from './public-errors.ts';
import { restartDelayMs } from './restart-delay.ts';
import { SocketIoClient, type SocketIoClientDeps } from './socket-io-client.ts';
import { SocketIoEngine } from './socket-io-engine.ts';
import { farewellMs, SocketIoLink } from './socket-io-link.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Visitors } from './visitors.ts';

export interface SocketIoDeps extends SocketIoClientDeps {
  isAllowedOrigin: OriginCheck;
  isDraining(): boolean;
  visitors: Visitors;
  timings: { idleMs: number; pingMs: number };
}

/** What a handshake said, once it is believed. */
interface Admitted {
  identity: Identity | null;
  auth: SocketIoAuth;
}

export interface SocketIo {
  /** Connections that are open. */
  readonly size: number;
  /** Sends everybody away; they come back by themselves, on this gateway or another. */
  closeAll(): void;
  /** Ends what is left, and its timers. */
  close(): Promise<void>;
}

/** A client that has opened a connection and joined nothing is closed after this. */
const connectTimeoutMs = 10_000;
/** Tokens that are tried on one connection. */
const maxRefusals = 10;
/** How often a connection may ask to join a namespace: each is answered, also where there is none. */
const maxJoins = 2 * maxRefusals;
/**
 * Packets of Engine.IO that may come a second, for each event that may: far more than a client has reason for, because
 * who sends too many events is refused before it is sent away. What is no event is bounded by this alone.
 */
const packetsOfEvent = 16;
/** How Socket.IO writes that somebody wants to join a namespace. */
const joinPacket = '0';

/** Socket.IO on the gateway's own port, under `/socket.io/`. */
export function serveSocketIo(app: TemplatedApp, deps: SocketIoDeps): SocketIo {
  const { logger, timings } = deps;
  const io = new Server({
    serveClient: false,
    maxHttpBufferSize: limits.frameBytes,
    pingInterval: timings.pingMs,
    pingTimeout: Math.max(1, timings.idleMs - timings.pingMs),
    connectTimeout: Math.min(connectTimeoutMs, timings.idleMs),
    // Compressing waits, and what it waits for may be gone by then.
    httpCompression: false,
  });
  const engine = new SocketIoEngine(deps);
  const packetsPerSecond = packetsOfEvent * deps.framesPerSecond;
  engine.attach(io, app);
  const addresses = new WeakMap<object, string>();
  io.engine.on('connection', (conn: Socket['conn']) => {
    // How long an orderly end waits for another poll, half a minute otherwise.
    if (conn.transport.name === 'polling') Reflect.set(conn.transport, 'closeTimeout', farewellMs);
    const visit = deps.visitors.enter(routeOf(conn));
    if (visit) {
      addresses.set(conn, visit.address);
      conn.once('close', () => visit.leave());
    } else engine.end(conn, 'tooMany');
    const rate = new TokenBucket({ perSecond: packetsPerSecond, burst: packetsPerSecond }, performance.now());
    conn.on('packet', () => {
      if (rate.take(performance.now()) < 0) engine.end(conn, 'tooMany');
    });
    let joins = 0;
    conn.on('data', (packet: unknown) => {
      if (typeof packet === 'string' && packet.startsWith(joinPacket)) joins += 1;
      if (joins > maxJoins) engine.end(conn, 'tooMany');
    });
  });
  const clients = new Set<SocketIoClient>();
  const asking = new WeakSet<object>();
  const refusals = new WeakMap<object, number>();

  io.use((socket, next) => {
    const { conn } = socket;
    const refused = refusals.get(conn) ?? 0;
    // One after the other, because each asks for everything, and only one can be let in.
    if (asking.has(conn) || refused >= maxRefusals) {
      next(new Error('Too many attempts on one connection; connect anew'));
      return;
    }
    asking.add(conn);
    admit(deps, socket).then(
      (admitted) => {
        socket.data = admitted;
        // Socket.IO's client sends the last offset back where it got a `pid`.
        Reflect.set(socket, 'pid', socket.id);
        next();
      },
      (error: unknown) => {
        asking.delete(conn);
        refusals.set(conn, refused + 1);
        refuse(deps, socket, error, next);
      },
    );
  });
  io.on('connection', (socket) => {
    const { identity, auth } = socket.data as Admitted;
    const link = new SocketIoLink(socket, engine, addresses.get(socket.conn) ?? null);
    const client = new SocketIoClient(deps, { socket, link, auth });
    clients.add(client);
    const ids = { socket_id: socket.id, authenticated: identity !== null };
    logger.info({ ...ids, transport: socket.conn.transport.name }, 'Socket.IO client connected');
    socket.on('disconnect', (reason) => {
      clients.delete(client);
      logger.info({ ...ids, reason }, 'Socket.IO client disconnected');
    });
    client.start(identity, auth);
  });

  return {
    get size() {
      return clients.size;
    },
    closeAll() {
      const crowd = clients.size;
      for (const client of [...clients]) {
        client.restart(restartDelayMs(crowd));
      }
    },
    close: () => io.close(),
  };
}

/** @throws PublicError `unauthorized` and what verifying says, `validation_error` for the rest of `auth` */
async function admit(deps: SocketIoDeps, socket: Socket): Promise<Admitted> {
  const { auth: said, headers } = socket.handshake;
  const parsed = socketIoAuth.safeParse(said);
  if (!parsed.success) {
    const field = parsed.error.issues[0]?.path.join('.') ?? 'auth';
    if (field === 'token') throw new PublicError('unauthorized', 'The token in "auth" must be text.');
    throw new PublicError('validation_error', `Field "auth.${field}": ${parsed.error.issues[0]?.message}.`);
  }
  const token = parsed.data.token ?? bearerToken(headers.authorization ?? '');
  if (token === null && headers.authorization !== undefined) {
    throw new PublicError('unauthorized', 'The header is not "Authorization: Bearer <JWT>".');
  }
  return { identity: token === null ? null : await deps.gatekeeper.byToken(token), auth: parsed.data };
}

function refuse(deps: SocketIoDeps, socket: Socket, error: unknown, next: (error: Error) => void): void {
  const known = publicError(error);
  if (known !== error) deps.logger.error({ err: error, socket_id: socket.id }, 'a handshake failed');
  if (known.code !== 'unauthorized' && known.code !== 'validation_error') {
    // A client that is refused stays away; one whose connection ends comes back.
    socket.conn.close(true);
    return;
  }
  const isToken = known.code === 'unauthorized';
  const refusal = new Error(isToken ? 'Authentication error' : known.message);
  const data = { type: socketIoErrorTypes[known.code], code: known.code, message: known.message };
  next(Object.assign(refusal, { data }));
}

function routeOf(conn: Socket['conn']): Route {
  const forwardedFor: unknown = conn.request.headers['x-forwarded-for'];
  const remote = conn.remoteAddress ?? '';
  return { remote, forwardedFor: typeof forwardedFor === 'string' ? forwardedFor : '' };
}
