import type { HttpResponse } from 'uWebSockets.js';
import type { Logger } from 'pino';
import type { ServerFrame } from '../protocol/server-frames.ts';
import type { Identity } from './auth.ts';
import { Connection } from './connection.ts';
import type { FrameFilter } from './frame-filter.ts';
import type { ReadEvents } from './hub-ports.ts';
import type { SessionHub } from './session-hub.ts';
import type { SessionHubs } from './session-hubs.ts';
import { SseOutlet } from './sse-outlet.ts';

export interface StreamOptions {
  identity: Identity;
  /** Acquired; given back when the stream is closed. */
  hub: SessionHub;
  lastSeq: number;
  filter: FrameFilter | null;
  /** Instead of `welcome`. */
  greeting?: ServerFrame;
  /** The frame after which the stream has said everything. */
  isLast?(frame: ServerFrame): boolean;
}

interface Open {
  connection: Connection;
  outlet: SseOutlet;
  expiresAt: number | null;
  sweptAt: number;
}

/** A herd that is sent away comes back spread over this time. */
const restartLeastMs = 200;
const restartSpreadMs = 1_500;

/** All open event streams of sessions: opens them, keeps them alive, ends those whose token has expired. */
export class SseStreams {
  readonly #deps: { hubs: SessionHubs; readEvents: ReadEvents; keepAliveMs: number; logger: Logger };
  readonly #open = new Set<Open>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(deps: {
    hubs: SessionHubs;
    readEvents: ReadEvents;
    timings: { sweepMs: number; keepAliveMs: number };
    logger: Logger;
  }) {
    const { hubs, readEvents, timings, logger } = deps;
    this.#deps = { hubs, readEvents, keepAliveMs: timings.keepAliveMs, logger };
    this.#sweeper = setInterval(() => this.#sweep(), timings.sweepMs);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Answers what is to be called when the response is aborted. */
  open(res: HttpResponse, headers: [string, string][], options: StreamOptions): () => void {
    const { hubs, readEvents, logger } = this.#deps;
    const { identity, hub, lastSeq, filter, greeting, isLast } = options;
    const { sessionId } = hub;
    const outlet = new LastingOutlet(res, { headers, isLast, onClosed: () => closed() });
    const connection = new Connection({ identity, sessionId, lastSeq, filter, outlet, readEvents, logger });
    const now = Date.now();
    const entry: Open = { connection, outlet, expiresAt: identity.expiresAt, sweptAt: now };
    const ids = { session_id: sessionId, connection_id: connection.id };
    const closed = () => {
      connection.leave();
      hubs.release(hub);
      this.#open.delete(entry);
      logger.info(ids, 'event stream closed');
    };
    this.#open.add(entry);
    logger.info(ids, 'event stream opened');
    connection.join(hub, greeting);
    return () => outlet.onClose();
  }

  /** Ends every stream with the time after which to come back. */
  closeAll(): void {
    clearInterval(this.#sweeper);
    for (const { connection } of [...this.#open]) {
      const retryAfterMs = Math.round(restartLeastMs + Math.random() * restartSpreadMs);
      connection.close('restarting', `retry_after_ms=${retryAfterMs}`);
    }
  }

  #sweep(): void {
    const now = Date.now();
    for (const entry of [...this.#open]) {
      if (entry.expiresAt !== null && now >= entry.expiresAt) entry.connection.close('tokenExpired');
      else if (now - entry.sweptAt >= this.#deps.keepAliveMs) {
        entry.sweptAt = now;
        entry.outlet.keepAlive();
      }
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
