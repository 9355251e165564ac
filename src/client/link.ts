import { type AfterClose, afterClose, backoffMs } from './after-close.ts';
import type { Access } from './api.ts';
import { TurngateError, wordsOf } from './errors.ts';
import type { OutFrame } from './frames.ts';
import { longestTimerMs, type Runtime, randomId, type SocketLike, type StopTimer } from './runtime.ts';
import type { ConnectionState } from './state.ts';
import { expiryOf } from './token.ts';

/** A frame as it came: an object with a type. What it means is for the owner to say. */
export type RawFrame = { type: string } & Record<string, unknown>;

export interface LinkOwner {
  /** Path and query of the next connection. */
  path(): string;
  onFrame(frame: RawFrame): void;
  onConnection(state: ConnectionState): void;
  /** The gateway closed because of a frame's size. */
  onTooLarge(): void;
}

/** From dialling to `welcome`. */
const welcomeTimeoutMs = 15_000;
/** Until a `welcome` says how often there is a sign of life. */
const usualHeartbeatMs = 30_000;
/** Silence of this many heartbeats: the connection is given up. */
const silentHeartbeats = 1.5;
/** A connection that held for this long is a good one: the next failure is the first again. */
const steadyMs = 5_000;
/** Tokens that are refused one after another before the link stops. */
const maxRefusedTokens = 3;
/** A new token is shown this long before the old one ends, or half-way where it lives shorter. */
const renewBeforeMs = 30_000;
/** A token callback that still gives the old one is asked again after this. */
const renewAgainMs = 5_000;

/** One connection that comes back by itself. It knows frames only as far as they are about the connection. */
export class Link {
  readonly #runtime: Runtime;
  readonly #access: Access;
  readonly #owner: LinkOwner;
  #socket: SocketLike | null = null;
  #isWelcome = false;
  #isStopped = false;
  #failures = 0;
  #refusals = 0;
  #token = '';
  #refused: string | null = null;
  #heartbeatMs = usualHeartbeatMs;
  #heardAt = 0;
  /** Counts connections, so that what an older one waited for changes nothing. */
  #round = 0;
  #fault = '';
  #timers = new Map<'retry' | 'silence' | 'steady' | 'renew', StopTimer>();

  constructor(runtime: Runtime, access: Access, owner: LinkOwner) {
    this.#runtime = runtime;
    this.#access = access;
    this.#owner = owner;
  }

  get isOpen(): boolean {
    return this.#isWelcome;
  }

  /** Connects now, also where it waits to. */
  connect(): void {
    if (this.#isStopped) return;
    this.#drop();
    this.#owner.onConnection({ kind: 'connecting' });
    void this.#dial(this.#round);
  }

  /** @returns false where there is no connection */
  send(frame: OutFrame): boolean {
    if (!this.#isWelcome || !this.#socket) return false;
    return trySend(this.#socket, JSON.stringify(frame));
  }

  /** Ends for good; the owner hears of it. */
  stop(state: Extract<ConnectionState, { kind: 'stopped' }>): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#drop();
    this.#owner.onConnection(state);
  }

  /** Comes back later, as after a lost connection. */
  retry(why: string, delayMs = backoffMs(this.#failures, this.#runtime.random)): void {
    if (this.#isStopped) return;
    this.#drop();
    this.#failures += 1;
    this.#owner.onConnection({ kind: 'waiting', why, until: this.#runtime.clock.now() + delayMs });
    this.#timer('retry', delayMs, () => this.connect(), { keepsAlive: true });
  }

  /** Never rejects. */
  async #dial(round: number): Promise<void> {
    try {
      const token = await this.#access.token(this.#refused);
      if (round !== this.#round || this.#isStopped) return;
      this.#token = token;
      const url = new URL(this.#owner.path(), this.#access.url());
      url.protocol = url.protocol.replace('http', 'ws');
      this.#open(this.#runtime.connect(url.href, ['turngate.v1', `bearer.${token}`]));
    } catch (error) {
      if (round !== this.#round || this.#isStopped) return;
      if (error instanceof TurngateError && error.code === 'unauthorized') {
        this.stop({ kind: 'stopped', code: 'unauthorized', why: error.message });
      } else this.retry(wordsOf(error));
    }
  }

  #open(socket: SocketLike): void {
    this.#socket = socket;
    this.#fault = '';
    const isCurrent = () => socket === this.#socket;
    this.#timer('silence', welcomeTimeoutMs, () => this.retry('the gateway does not answer'));
    socket.onmessage = (event: { data: unknown }) => {
      if (isCurrent()) this.#receive(event.data);
    };
    socket.onerror = (event: { message?: unknown }) => {
      if (isCurrent() && typeof event.message === 'string') this.#fault = event.message;
    };
    // An error is always followed by a close.
    socket.onclose = (event: { code: number; reason: string }) => {
      if (isCurrent()) this.#closed(event.code, event.reason);
    };
  }

  #receive(data: unknown): void {
    const frame = parseFrame(data);
    // Somebody else's, or a newer gateway's: a sign of life all the same.
    this.#heard();
    if (!frame) return;
    if (frame.type === 'ping') this.send({ type: 'pong' });
    else if (frame.type === 'welcome') this.#welcome(frame);
    else this.#owner.onFrame(frame);
  }

  #heard(): void {
    this.#heardAt = this.#runtime.clock.now();
  }

  /** One timer that looks when the last frame came: frames are too many for one each. */
  #watchSilence(): void {
    const silentMs = this.#heartbeatMs * silentHeartbeats;
    const leftMs = this.#heardAt + silentMs - this.#runtime.clock.now();
    if (leftMs <= 0) this.retry('the gateway says nothing any more');
    else this.#timer('silence', leftMs, () => this.#watchSilence());
  }

  #welcome(frame: RawFrame): void {
    if (typeof frame.heartbeat_ms === 'number') this.#heartbeatMs = frame.heartbeat_ms;
    this.#isWelcome = true;
    this.#refused = null;
    this.#refusals = 0;
    this.#watchSilence();
    this.#timer('steady', steadyMs, () => {
      this.#failures = 0;
    });
    this.#renewBeforeExpiry();
    this.#owner.onFrame(frame);
    this.#owner.onConnection({ kind: 'open' });
  }

  #closed(code: number, reason: string): void {
    const next = afterClose(code, reason || this.#fault);
    if (next.kind === 'stop') this.stop({ kind: 'stopped', code: next.code, why: next.why });
    else if (next.kind === 'new_token') this.#askAgain(next);
    else {
      if (next.kind === 'drop_largest') this.#owner.onTooLarge();
      this.retry(next.why, next.kind === 'retry' ? next.delayMs : undefined);
    }
  }

  #askAgain(next: Extract<AfterClose, { kind: 'new_token' }>): void {
    this.#refused = this.#token;
    this.#refusals += 1;
    if (this.#refusals < maxRefusedTokens) this.retry(next.why);
    else this.stop({ kind: 'stopped', code: 'unauthorized', why: next.why });
  }

  /** Shows a new token before the old one ends, so that the connection goes on. */
  #renewBeforeExpiry(): void {
    const expiresAt = expiryOf(this.#token);
    if (expiresAt === null) return;
    const leftMs = expiresAt - this.#runtime.clock.now();
    const delayMs = Math.min(Math.max(leftMs - renewBeforeMs, leftMs / 2), longestTimerMs);
    this.#timer('renew', Math.max(0, delayMs), () => void this.#renew(this.#round));
  }

  /** Never rejects: what fails here ends with 4010, and a token is asked for again. */
  async #renew(round: number): Promise<void> {
    const token = await this.#access.token(null).catch(() => this.#token);
    if (round !== this.#round || this.#isStopped) return;
    if (token === this.#token) {
      this.#timer('renew', renewAgainMs, () => void this.#renew(round));
      return;
    }
    this.#token = token;
    this.send({ type: 'auth', id: randomId(), token });
    this.#renewBeforeExpiry();
  }

  /** Lets go of the connection, whatever it does afterwards. */
  #drop(): void {
    this.#round += 1;
    this.#isWelcome = false;
    for (const stopTimer of this.#timers.values()) stopTimer();
    this.#timers.clear();
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState < 2) socket.close();
  }

  #timer(
    name: 'retry' | 'silence' | 'steady' | 'renew',
    delayMs: number,
    work: () => void,
    options?: { keepsAlive: boolean },
  ): void {
    this.#timers.get(name)?.();
    this.#timers.set(name, this.#runtime.clock.after(delayMs, work, options));
  }
}

function trySend(socket: SocketLike, data: string): boolean {
  try {
    socket.send(data);
    return socket.readyState === 1;
  } catch {
    // A browser throws while it connects; the close that follows is what counts.
    return false;
  }
}

function parseFrame(data: unknown): RawFrame | null {
  if (typeof data !== 'string') return null;
  try {
    const raw: unknown = JSON.parse(data);
    const isFrame = typeof raw === 'object' && raw !== null && 'type' in raw && typeof raw.type === 'string';
    return isFrame ? ({ ...raw } as RawFrame) : null;
  } catch {
    // No frame at all; the next one may be good.
    return null;
  }
}
