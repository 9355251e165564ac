import type { HttpResponse } from 'uWebSockets.js';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import type { CloseReason } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import { feedOwner } from '../protocol/feed-id.ts';
import type { ServerFrame } from '../protocol/server-frames.ts';
import type { Attendance } from './attendance.ts';
import type { Identity } from './auth.ts';
import { Connection } from './connection.ts';
import type { ConnectionRegistry } from './connection-registry.ts';
import type { FrameFilter } from './frame-filter.ts';
import { noSession } from './http-access.ts';
import type { HttpStream } from './http-answer.ts';
import type { HttpCall } from './http-call.ts';
import type { ReadEvents } from './hub-ports.ts';
import { restartDelayMs } from './restart-delay.ts';
import type { SessionHub } from './session-hub.ts';
import type { SessionHubs } from './session-hubs.ts';
import { SseOutlet } from './sse-outlet.ts';
import { refusalOf } from './standing.ts';
import type { Traffic } from './traffic.ts';
import type { Visit, Visitors } from './visitors.ts';

/** What is to be read on one stream. */
export interface StreamContent {
  lastSeq: number;
  filter: FrameFilter | null;
  /** Instead of `welcome`. */
  greeting?: ServerFrame;
  /** The frame after which the stream has said everything. */
  isLast?(frame: ServerFrame): boolean;
}

/** A reader who is registered, and whose stream may begin. Either of these is called, once. */
export interface Seat {
  stream(content: StreamContent): HttpStream;
  leave(): void;
}

export interface SseDeps {
  hubs: SessionHubs;
  registry: ConnectionRegistry;
  visitors: Visitors;
  attendance: Attendance;
  readEvents: ReadEvents;
  traffic: Traffic;
  isDraining(): boolean;
  timings: { sweepMs: number; keepAliveMs: number };
  logger: Logger;
}

interface Reader {
  id: string;
  identity: Identity;
  hub: SessionHub;
  visit: Visit;
  call: HttpCall;
  open: { connection: Connection; outlet: SseOutlet } | null;
  /** Somebody closed it before it was open. */
  closed: { reason: CloseReason; detail?: string | undefined } | null;
  saidAt: number;
}

/** All event streams of sessions and feeds: lets them in, and keeps them alive. */
export class SseStreams {
  readonly #deps: SseDeps;
  readonly #readers = new Set<Reader>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(deps: SseDeps) {
    this.#deps = deps;
    this.#sweeper = setInterval(() => this.#sweep(Date.now()), deps.timings.sweepMs);
  }

  get size(): number {
    return this.#readers.size;
  }

  /**
   * Takes a reader in who may read this session, or feed.
   * @throws PublicError `not_found`, `forbidden`, `unauthorized`, `rate_limit` (too many connections), `unavailable`
   */
  async seat(
    call: HttpCall,
    who: { identity: Identity; sessionId: string; device: string | null },
  ): Promise<Seat> {
    const { hubs, registry } = this.#deps;
    const { identity, sessionId, device } = who;
    if (this.#deps.isDraining()) throw restarting();
    const hub = await hubs.acquire(sessionId);
    if (!hub) throw noSession();
    const visit = this.#deps.visitors.enter(call.route);
    if (!visit) {
      hubs.release(hub);
      throw tooMany();
    }
    const id = uuidv7();
    const reader: Reader = { id, identity, hub, visit, call, open: null, closed: null, saidAt: Date.now() };
    const close = (reason: CloseReason, detail?: string) => {
      if (reader.open) reader.open.connection.close(reason, detail);
      else reader.closed ??= { reason, detail };
    };
    try {
      const answer = await registry.register({
        connectionId: id,
        sessionId: placeOf(sessionId),
        identity,
        device,
        close,
      });
      if ('refused' in answer) throw refusalOf(answer.refused);
    } catch (error) {
      hubs.release(hub);
      visit.leave();
      throw error;
    }
    this.#readers.add(reader);
    const leave = () => this.#leave(reader);
    return {
      leave,
      stream: (content) => ({
        stream: (res, headers) => this.#open(reader, content, res, headers),
        abandon: leave,
      }),
    };
  }

  /** Ends every stream with the time after which to come back. */
  closeAll(): void {
    clearInterval(this.#sweeper);
    const crowd = this.#readers.size;
    for (const { open } of [...this.#readers]) {
      const retryAfterMs = restartDelayMs(crowd);
      open?.connection.close('restarting', `retry_after_ms=${retryAfterMs}`);
    }
  }

  #open(reader: Reader, content: StreamContent, res: HttpResponse, headers: [string, string][]): void {
    const { readEvents, logger } = this.#deps;
    const { id, identity, hub, call } = reader;
    const { sessionId } = hub;
    const outlet = new LastingOutlet(res, {
      headers,
      isLast: content.isLast,
      onClosed: () => this.#leave(reader),
    });
    call.onAborted(() => outlet.onClose());
    const { lastSeq, filter, greeting } = content;
    const ends = { sessionId, lastSeq, filter, outlet: this.#deps.traffic.measure('sse', outlet) };
    const connection = new Connection({ id, identity, readEvents, logger, ...ends });
    reader.open = { connection, outlet };
    logger.info({ session_id: sessionId, connection_id: id }, 'event stream opened');
    if (this.#deps.isDraining()) connection.close('restarting', 'retry_after_ms=1000');
    else if (reader.closed) connection.close(reader.closed.reason, reader.closed.detail);
    else this.#deps.attendance.come(connection, hub, greeting);
  }

  #leave(reader: Reader): void {
    if (!this.#readers.delete(reader)) return;
    reader.visit.leave();
    const { attendance, hubs, registry, logger } = this.#deps;
    if (reader.open) attendance.go(reader.open.connection, reader.hub);
    else {
      hubs.release(reader.hub);
      registry.unregister(reader.id);
    }
    logger.info({ session_id: reader.hub.sessionId, connection_id: reader.id }, 'event stream closed');
  }

  #sweep(now: number): void {
    for (const reader of [...this.#readers]) {
      if (now - reader.saidAt < this.#deps.timings.keepAliveMs) continue;
      reader.saidAt = now;
      reader.open?.outlet.keepAlive();
    }
  }
}

/** Finishes by itself, where a frame can be the last. */
class LastingOutlet extends SseOutlet {
  readonly #isLast: ((frame: ServerFrame) => boolean) | undefined;

  constructor(
    res: HttpResponse,
    options: {
      headers: [string, string][];
      isLast: ((frame: ServerFrame) => boolean) | undefined;
      onClosed(): void;
    },
  ) {
    super(res, options);
    this.#isLast = options.isLast;
  }

  override send(outgoing: { frame: ServerFrame; json: string; resumeAt?: number | undefined }): void {
    super.send(outgoing);
    if (this.#isLast?.(outgoing.frame)) this.finish();
  }
}

/** The session whose connection it is; a feed belongs to none. */
function placeOf(sessionId: string): string | null {
  return feedOwner(sessionId) ? null : sessionId;
}

function restarting(): PublicError {
  return new PublicError('unavailable', 'This gateway is restarting. Ask again in a second.');
}

function tooMany(): PublicError {
  return new PublicError(
    'rate_limit',
    'There are too many connections, yours or of your address. Close some, then connect again.',
  );
}
