import type { Logger } from 'pino';
import type { LivePlane } from '../live/port.ts';
import type { HubStore, HubTimings } from './hub-ports.ts';
import { SessionHub } from './session-hub.ts';

/** What the served sessions need of the store: one query for all of them, and reads of one. */
export interface HubsStore extends HubStore {
  lastSeqs(sessionIds: string[]): Promise<Map<string, number>>;
}

interface Served {
  hub: SessionHub;
  loaded: Promise<boolean>;
  users: number;
}

const tickMs = 250;

/** The hubs of all sessions that somebody is connected to, and what keeps them up to date. */
export class SessionHubs {
  readonly #served = new Map<string, Served>();
  readonly #store: HubsStore;
  readonly #live: LivePlane;
  readonly #logger: Logger;
  readonly #timings: HubTimings | undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  #unsubscribe: (() => Promise<void>) | null = null;
  #isPolling = false;
  #isClosed = false;

  constructor(options: {
    store: HubsStore;
    live: LivePlane;
    logger: Logger;
    timings?: HubTimings | undefined;
  }) {
    this.#store = options.store;
    this.#live = options.live;
    this.#logger = options.logger;
    this.#timings = options.timings;
  }

  /** Sessions that are served. */
  get size(): number {
    return this.#served.size;
  }

  get isSubscribed(): boolean {
    return this.#unsubscribe !== null;
  }

  /** Subscribes, which waits for the live plane, and starts the slow poll. Not awaited by who listens. */
  async start(pollMs: number): Promise<void> {
    const poll = () => void this.poll();
    this.#live.onRestored(poll);
    this.#timers.push(
      setInterval(poll, pollMs),
      setInterval(() => this.#tick(), tickMs),
    );
    const unsubscribe = await this.#live.subscribe((message) =>
      this.#served.get(message.sessionId)?.hub.receive(message),
    );
    if (this.#isClosed) return unsubscribe();
    this.#unsubscribe = unsubscribe;
    poll();
  }

  /**
   * The hub of a session, ready to attach to; every one acquired is released once.
   * @returns null when there is no such session; rejects when the store cannot be read
   */
  async acquire(sessionId: string): Promise<SessionHub | null> {
    const served = this.#served.get(sessionId) ?? this.#serve(sessionId);
    served.users += 1;
    const loaded = await served.loaded.catch((error: unknown) => {
      this.#leave(sessionId, served);
      throw error;
    });
    if (loaded) return served.hub;
    this.#leave(sessionId, served);
    return null;
  }

  release(hub: SessionHub): void {
    const served = this.#served.get(hub.sessionId);
    if (served?.hub === hub) this.#leave(hub.sessionId, served);
  }

  /** One query over all served sessions: what was lost on the live plane shows as a higher `last_seq`. */
  async poll(): Promise<void> {
    if (this.#isPolling || this.#isClosed || this.#served.size === 0) return;
    this.#isPolling = true;
    try {
      const lastSeqs = await this.#store.lastSeqs([...this.#served.keys()]);
      for (const [sessionId, lastSeq] of lastSeqs) this.#served.get(sessionId)?.hub.announce(lastSeq);
    } catch (error) {
      this.#logger.warn({ err: error, sessions: this.#served.size }, 'the slow poll failed; it tries again');
    }
    this.#isPolling = false;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const { hub } of this.#served.values()) hub.close();
    this.#served.clear();
    await this.#unsubscribe?.();
  }

  #serve(sessionId: string): Served {
    const timings = this.#timings === undefined ? {} : { timings: this.#timings };
    const hub = new SessionHub({ sessionId, store: this.#store, logger: this.#logger, ...timings });
    // In the map before it reads: what arrives while it reads waits in it.
    const served: Served = { hub, loaded: Promise.resolve(false), users: 0 };
    this.#served.set(sessionId, served);
    served.loaded = hub.load();
    return served;
  }

  #leave(sessionId: string, served: Served): void {
    served.users -= 1;
    if (served.users > 0) return;
    served.hub.close();
    if (this.#served.get(sessionId) === served) this.#served.delete(sessionId);
  }

  #tick(): void {
    const now = Date.now();
    for (const { hub } of this.#served.values()) hub.tick(now);
  }
}
