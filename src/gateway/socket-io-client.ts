import type { Socket } from 'socket.io';
import { v7 as uuidv7 } from 'uuid';
import { closeCodes } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { parseSocketIoEvent, type SocketIoAuth, type SocketIoClientEvent } from '../protocol/socket-io.ts';
import { findDefaultSession } from '../store/default-session.ts';
import type { Identity } from './auth.ts';
import { FrameQueue } from './frame-queue.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import { publicError } from './public-errors.ts';
import { sessionIdOf } from './session-id.ts';
import { type Answer, acked, SocketIoAnswers } from './socket-io-answers.ts';
import type { SocketIoLink } from './socket-io-link.ts';
import { charsOf, errorPayload, greetingPayload, idIn, tooDeep } from './socket-io-payloads.ts';
import { placesOf } from './socket-io-places.ts';
import { SocketIoSeat } from './socket-io-seat.ts';
import type { SocketIoSessionDeps } from './socket-io-session.ts';
import { SocketIoSessions } from './socket-io-sessions.ts';
import { refusalOf } from './standing.ts';
import { TokenBucket } from './token-bucket.ts';

export interface SocketIoClientDeps extends SocketIoSessionDeps {
  gatekeeper: Gatekeeper;
}

/** What an error is about, and who waits for it. */
interface About {
  id?: string | undefined;
  sessionId?: string;
  answer?: Answer | undefined;
  details?: { retry_after_ms: number };
}

type SessionEvent = Exclude<SocketIoClientEvent, { name: 'auth' | 'leave' | 'resume' }>;

/** Of the rate: what may come at once, and as much again is refused before the connection is closed. */
const burstSeconds = 4;
const maxWaitingEvents = 64;
const maxWaitingChars = 4 * limits.frameBytes;

/** One Socket.IO connection: who it is, and what it asks for. */
export class SocketIoClient {
  readonly #deps: SocketIoClientDeps;
  readonly #socket: Socket;
  readonly #link: SocketIoLink;
  readonly #answers = new SocketIoAnswers();
  readonly #sessions: SocketIoSessions;
  readonly #queue = new FrameQueue({ maxFrames: maxWaitingEvents, maxChars: maxWaitingChars });
  readonly #burst: number;
  readonly #rate: TokenBucket;
  /** null: a guest. */
  #seat: SocketIoSeat | null = null;
  /** Whose it was when their token expired. */
  #left: Identity | null = null;

  constructor(deps: SocketIoClientDeps, options: { socket: Socket; link: SocketIoLink; auth: SocketIoAuth }) {
    const { socket, link, auth } = options;
    this.#burst = deps.framesPerSecond * burstSeconds;
    this.#rate = new TokenBucket({ perSecond: deps.framesPerSecond, burst: this.#burst }, performance.now());
    this.#deps = deps;
    this.#socket = socket;
    this.#link = link;
    this.#sessions = new SocketIoSessions({
      deps,
      link,
      answers: this.#answers,
      device: auth.device ?? null,
      onEnd: (code, reason) => this.#end(code, reason),
    });
    socket.onAny((name: string, ...args: unknown[]) => this.#take(name, args));
    socket.on('disconnect', () => this.#close());
  }

  /** Greets; `identity` is null for a guest. */
  start(identity: Identity | null, auth: SocketIoAuth): void {
    if (!identity) {
      this.#greet();
      return;
    }
    const enter = () =>
      this.#signIn(identity, auth).catch((error: unknown) => {
        this.#fail(error, {});
        this.#link.end(closeCodes.restarting.code, closeCodes.restarting.reason);
      });
    this.#do(0, enter);
  }

  /** Sends the client away; it comes back by itself. */
  restart(retryAfterMs: number): void {
    const { code, reason } = closeCodes.restarting;
    const error = new PublicError('unavailable', 'The gateway is restarting. Connect again.');
    this.#fail(error, { details: { retry_after_ms: retryAfterMs } });
    this.#link.end(code, `${reason}; retry_after_ms=${retryAfterMs}`);
  }

  #take(name: string, args: unknown[]): void {
    const answer = typeof args.at(-1) === 'function' ? (args.pop() as Answer) : undefined;
    const [payload] = args;
    const left = this.#rate.take(performance.now());
    if (left < 0) {
      const words = 'Events come too quickly; this one was not looked at. Send slower.';
      this.#fail(new PublicError('rate_limit', words), { id: idIn(payload), answer });
      if (left < -this.#burst) this.#link.end(closeCodes.tooMany.code, closeCodes.tooMany.reason);
      return;
    }
    const chars = charsOf(payload);
    if (chars !== null && this.#do(chars, () => this.#handle(name, payload, answer))) return;
    const words = `More than ${maxWaitingEvents} events wait for their answer. Wait for some, then send this again.`;
    const refused = chars === null ? tooDeep() : new PublicError('rate_limit', words);
    this.#fail(refused, { id: idIn(payload), answer });
  }

  #do(chars: number, work: () => Promise<void>): boolean {
    return this.#queue.add(chars, () => this.#deps.inFlight.track(this.#attempt(work)));
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    if (!this.#link.isOpen) return;
    try {
      await work();
    } catch (error) {
      this.#fail(error, {});
    }
  }

  async #handle(name: string, raw: unknown, answer: Answer | undefined): Promise<void> {
    try {
      const event = parseSocketIoEvent(name, raw);
      if (event.name === 'auth')
        await this.#signIn(await this.#deps.gatekeeper.byToken(event.payload.token), null);
      else await this.#perform(event, this.#required(), answer);
      if (!acked.has(event.name)) answer?.({ ...('id' in event.payload ? { id: event.payload.id } : {}) });
    } catch (error) {
      this.#fail(error, { id: idIn(raw), answer });
    }
  }

  async #perform(
    event: Exclude<SocketIoClientEvent, { name: 'auth' }>,
    identity: Identity,
    answer: Answer | undefined,
  ): Promise<void> {
    if (event.name === 'leave') {
      this.#sessions.leave(event.payload.session_id, leftCode, 'Left');
      return;
    }
    if (event.name === 'resume') {
      await this.#resume(event.payload, identity);
      return;
    }
    const sessionId = await this.#sessionOf(event, identity);
    const session = await this.#sessions.join(identity, sessionId, null);
    const { session_id: _, ...payload } = event.payload;
    const type = event.name === 'user_message' ? 'message' : event.name;
    // Without an id there is no `ack`, unless somebody waits for one.
    const id = payload.id ?? (answer || type === 'message' ? uuidv7() : undefined);
    if (answer && id !== undefined) this.#answers.expect(id, answer);
    session.read({ ...payload, type, ...(id === undefined ? {} : { id }) });
  }

  async #resume(
    payload: { session_id?: string | undefined; last_seq?: number | undefined },
    identity: Identity,
  ): Promise<void> {
    const named = payload.session_id && (await this.#idOf(payload.session_id, identity));
    const sessionId = named || this.#sessions.only || (await this.#idOf('default', identity));
    const joined = this.#sessions.get(sessionId);
    const { last_seq } = payload;
    if (!joined) await this.#sessions.join(identity, sessionId, last_seq ?? null);
    else if (last_seq !== undefined) joined.read({ type: 'resume', last_seq });
  }

  async #sessionOf(event: SessionEvent, identity: Identity): Promise<string> {
    const { session_id } = event.payload;
    if (session_id !== undefined) return this.#idOf(session_id, identity);
    if (event.name === 'user_message') return this.#idOf('default', identity);
    const { only } = this.#sessions;
    if (only !== null) return only;
    const words = `This connection takes part in ${this.#sessions.size} sessions. Say which one in "session_id".`;
    throw new PublicError('validation_error', words);
  }

  async #idOf(name: string, identity: Identity): Promise<string> {
    const id = await sessionIdOf(this.#deps.db, identity, name);
    if (id !== null) return id;
    throw refusalOf('sessionNotFound');
  }

  #required(): Identity {
    if (this.#seat) return this.#seat.identity;
    throw new PublicError('unauthorized', 'You are a guest. Send "auth" with a token first.');
  }

  /** Makes the connection somebody's, and takes part where they did; the same user again goes on as before. */
  async #signIn(identity: Identity, auth: SocketIoAuth | null): Promise<void> {
    if (await this.#renew(identity)) return;
    await this.#sessions.settled();
    const before = this.#seat?.identity ?? this.#left;
    const isSame = before?.userId === identity.userId && before.tenant === identity.tenant;
    if (isSame) this.#sessions.suspend();
    else this.#sessions.forget();
    this.#seat?.leave();
    const { registry } = this.#deps;
    const seat = new SocketIoSeat({ identity, registry, onEnd: (code, reason) => this.#end(code, reason) });
    this.#seat = seat;
    const refused = await seat.take().catch((error: unknown) => {
      this.#left = identity;
      if (this.#seat === seat) this.#seat = null;
      throw error;
    });
    if (refused !== null) {
      this.#fail(refusalOf(refused), {});
      this.#link.end(closeCodes[refused].code, closeCodes[refused].reason);
      return;
    }
    // Expired, or gone, while the store was asked.
    if (this.#seat !== seat) return;
    this.#greet();
    await this.#rejoin(identity, auth);
  }

  /** Goes on with another token of the user that it is of. Answers false when it is not theirs, or not any more. */
  async #renew(identity: Identity): Promise<boolean> {
    const seat = this.#seat;
    if (!seat?.isOf(identity)) return false;
    await Promise.all([seat.renew(identity), this.#sessions.renew(identity)]);
    if (this.#seat !== seat) return false;
    this.#greet();
    return true;
  }

  /** Where it was before, where it says that it was, or in the default session if there is one. */
  async #rejoin(identity: Identity, auth: SocketIoAuth | null): Promise<void> {
    const places = await placesOf(this.#deps.db, identity, { auth, cursors: this.#sessions.cursors });
    for (const { sessionId, after, isNamed } of places) {
      await this.#sessions.join(identity, sessionId, after).catch((error: unknown) => {
        const known = publicError(error);
        if (!refusals.has(known.code)) throw error;
        this.#sessions.leave(sessionId, closeCodes.sessionNotFound.code, closeCodes.sessionNotFound.reason);
        // What only Socket.IO remembered nobody has asked for.
        if (isNamed || known.code === 'rate_limit') this.#fail(known, { sessionId });
      });
    }
    if (this.#sessions.size > 0) return;
    const found = await findDefaultSession(this.#deps.db, identity);
    if (found !== null) await this.#sessions.join(identity, found, null);
  }

  #greet(): void {
    const payload = greetingPayload(this.#socket.id, this.#seat?.identity ?? null);
    this.#link.emit({ event: 'connection_established', payload });
  }

  /** The client is a guest again, and its sessions wait for its next token. */
  #expire(): void {
    if (!this.#seat) return;
    this.#left = this.#seat.identity;
    this.#seat.leave();
    this.#seat = null;
    this.#sessions.suspend();
    const words = 'The token has expired. Send "auth" with a new one; delivery goes on where it was.';
    this.#fail(new PublicError('unauthorized', words), {});
  }

  #end(code: number, reason: string): void {
    if (code === closeCodes.tokenExpired.code) this.#expire();
    else if (code === closeCodes.unauthorized.code) {
      this.#fail(
        new PublicError('unauthorized', 'The token is no longer accepted. Connect with a new one.'),
        {},
      );
      this.#link.dismiss();
    } else this.#link.end(code, reason);
  }

  #fail(error: unknown, about: About): void {
    const known = publicError(error);
    const ids = { socket_id: this.#socket.id };
    if (known !== error) this.#deps.logger.error({ err: error, ...ids }, 'an event failed');
    if (this.#link.isOverrun) {
      this.#link.end(closeCodes.tooSlow.code, closeCodes.tooSlow.reason);
      return;
    }
    const payload = errorPayload(known, { sessionId: this.#socket.id, ...about });
    this.#link.emit({ event: 'error', payload });
    about.answer?.({ error: payload });
  }

  #close(): void {
    this.#seat?.leave();
    this.#seat = null;
    this.#sessions.forget();
  }
}

/** In `session_left`: the client asked for it. */
const leftCode = 1000;
const refusals = new Set(['not_found', 'forbidden', 'rate_limit']);
