import type { Logger } from 'pino';
import type { LivePlane } from '../live/port.ts';
import { publishEvents } from '../live/publish-events.ts';
import type { Db } from '../store/db.ts';
import { readPresence, resumeSession, type StateChange, suspendNextLeft } from '../store/presence.ts';
import { Rounds } from './rounds.ts';

/** Sessions of one round: a gateway that died with many leaves all of them at once. */
const maxPerRound = 200;

/**
 * A session is `active` while somebody is connected and `suspended` some time after the last one left. Every gateway
 * looks at those that were left, whoever served them. No turn is touched by it.
 */
export class SessionStates {
  readonly #db: Db;
  readonly #live: LivePlane;
  readonly #logger: Logger;
  readonly #looking: Rounds;
  readonly #resuming = new Set<string>();

  constructor(deps: { db: Db; live: LivePlane; logger: Logger; everyMs: number }) {
    this.#db = deps.db;
    this.#live = deps.live;
    this.#logger = deps.logger;
    const { logger, everyMs } = deps;
    const failure = 'sessions that were left could not be looked at; tried again';
    this.#looking = new Rounds({ work: () => this.#suspendLeft(), everyMs, logger, failure });
  }

  start(): void {
    this.#looking.start();
  }

  /** Somebody is in a session that is suspended. Asked again by the next look at presence where it fails. */
  resume(sessionId: string): void {
    if (this.#resuming.has(sessionId)) return;
    this.#resuming.add(sessionId);
    resumeSession(this.#db, sessionId)
      .then((change) => this.#publish(change))
      .catch((error: unknown) =>
        this.#logger.warn({ err: error, session_id: sessionId }, 'a session could not be made active'),
      )
      .finally(() => this.#resuming.delete(sessionId));
  }

  async stop(): Promise<void> {
    await this.#looking.stop();
  }

  async #suspendLeft(): Promise<void> {
    const suspended: string[] = [];
    for (let n = 0; n < maxPerRound; n += 1) {
      const change = await suspendNextLeft(this.#db);
      if (!change) break;
      this.#publish(change);
      if (change.events.length > 0) suspended.push(change.sessionId);
    }
    if (suspended.length === 0) return;
    // Who came while it was suspended may have read that it is still active.
    for (const [sessionId, { users }] of await readPresence(this.#db, suspended)) {
      if (users.length > 0) this.resume(sessionId);
    }
  }

  #publish({ sessionId, events }: StateChange): void {
    publishEvents(this.#live, sessionId, events);
  }
}
