import { closeCodes } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import type { Identity } from './auth.ts';
import { RecentIds } from './recent-ids.ts';
import type { SocketIoAnswers } from './socket-io-answers.ts';
import type { Emission } from './socket-io-emission.ts';
import type { SocketIoLink } from './socket-io-link.ts';
import { type Cursors, offsetOf } from './socket-io-offset.ts';
import { openSocketIoSession, type SocketIoSession, type SocketIoSessionDeps } from './socket-io-session.ts';

/** External events come to every session of a user; of so many the connection knows that it had them. */
const maxExternalEvents = 1_000;

/** The sessions that one Socket.IO connection takes part in, and how far it has been told of each. */
export class SocketIoSessions {
  readonly #deps: SocketIoSessionDeps;
  readonly #link: SocketIoLink;
  readonly #answers: SocketIoAnswers;
  readonly #device: string | null;
  readonly #onEnd: (code: number, reason: string) => void;
  readonly #open = new Map<string, SocketIoSession>();
  readonly #externalEvents = new RecentIds(maxExternalEvents);
  /** Also of sessions that are to be joined again when the client has a token again. */
  #cursors: Cursors = new Map();
  /** Counts up when all sessions are left, so that what is on its way in then is not let in. */
  #round = 0;

  constructor(options: {
    deps: SocketIoSessionDeps;
    link: SocketIoLink;
    answers: SocketIoAnswers;
    device: string | null;
    /** What ends not one session but the whole connection. */
    onEnd(code: number, reason: string): void;
  }) {
    this.#deps = options.deps;
    this.#link = options.link;
    this.#answers = options.answers;
    this.#device = options.device;
    this.#onEnd = options.onEnd;
  }

  get size(): number {
    return this.#open.size;
  }

  get cursors(): Cursors {
    return new Map(this.#cursors);
  }

  get(sessionId: string): SocketIoSession | undefined {
    return this.#open.get(sessionId);
  }

  /** The one session that is meant where none is named; null where there are several, or none. */
  get only(): string | null {
    const [first] = this.#open.keys();
    return this.#open.size === 1 && first !== undefined ? first : null;
  }

  /**
   * Takes part in a session, or goes on where it does.
   * @param after the client has the events up to here; null begins at the session's end
   * @throws PublicError `rate_limit`, `not_found`, `forbidden`, `unauthorized` (signed out meanwhile); what the store says
   */
  async join(identity: Identity, sessionId: string, after: number | null): Promise<SocketIoSession> {
    const joined = this.#open.get(sessionId);
    if (joined) return joined;
    if (this.#open.size >= limits.socketIoSessions) throw full();
    const round = this.#round;
    const opened = await openSocketIoSession(this.#deps, {
      identity,
      sessionId,
      after,
      device: this.#device,
      link: this.#link,
      say: (emission) => this.#say(sessionId, emission),
      onEnd: (code, reason) => this.#ended(sessionId, code, reason),
    });
    if (!opened || round !== this.#round || !this.#link.isOpen) {
      opened?.close();
      throw new PublicError('unauthorized', 'The session was left while it was being joined. Join it again.');
    }
    this.#open.set(sessionId, opened);
    this.#cursors.set(sessionId, opened.start);
    opened.join();
    return opened;
  }

  leave(sessionId: string, code: number, reason: string): void {
    this.#open.get(sessionId)?.close();
    this.#open.delete(sessionId);
    if (!this.#cursors.delete(sessionId)) return;
    const payload = { session_id: sessionId, code, reason, timestamp: Date.now() };
    this.#link.emit({ event: 'session_left', payload }, offsetOf(this.#cursors));
  }

  /** Leaves all, and keeps in mind where they were. */
  suspend(): void {
    this.#round += 1;
    for (const session of this.#open.values()) session.close();
    this.#open.clear();
  }

  /** Leaves all for good. */
  forget(): void {
    this.suspend();
    this.#cursors = new Map();
  }

  /** Goes on with another token of the same user. */
  async renew(identity: Identity): Promise<void> {
    await Promise.all([...this.#open.values()].map((session) => session.renew(identity)));
  }

  /** Settles when all that was asked for is answered. */
  async settled(): Promise<void> {
    await Promise.all([...this.#open.values()].map((session) => session.settled()));
  }

  #ended(sessionId: string, code: number, reason: string): void {
    if (leavesOne.has(code)) this.leave(sessionId, code, reason);
    else this.#onEnd(code, reason);
  }

  #say(sessionId: string, said: Emission): void {
    const emission = this.#once(said);
    if (emission.reaches !== undefined) this.#cursors.set(sessionId, emission.reaches);
    const isNews = emission.reaches !== undefined || emission.event === 'session_joined';
    this.#link.emit(emission, isNews ? offsetOf(this.#cursors) : undefined);
    if (emission.event !== 'ack' && emission.event !== 'error') return;
    const { payload } = emission;
    if (payload.id === undefined) return;
    this.#answers.give(payload.id, emission.event === 'ack' ? payload : { error: payload });
  }

  /** An external event that another session has brought already becomes a mere step of the cursor. */
  #once(emission: Emission): Emission {
    if (emission.event !== 'external_event') return emission;
    const { event_id, session_id, seq } = emission.payload;
    if (this.#externalEvents.add(event_id)) return emission;
    return { event: 'cursor', payload: { session_id, seq }, reaches: seq };
  }
}

/** These are about a user and a session; every other one is about the connection. */
const leavesOne = new Set<number>([
  closeCodes.replaced.code,
  closeCodes.accessDenied.code,
  closeCodes.sessionNotFound.code,
]);

function full(): PublicError {
  return new PublicError(
    'rate_limit',
    `A connection takes part in at most ${limits.socketIoSessions} sessions. Send "leave" for one of them.`,
  );
}
