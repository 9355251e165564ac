import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import { PublicError } from '../protocol/errors.ts';
import { feedOwner } from '../protocol/feed-id.ts';
import { limits } from '../protocol/limits.ts';
import type { ServerFrame } from '../protocol/server-frames.ts';
import { maySee } from '../store/events.ts';
import type { Identity } from './auth.ts';
import type { FrameFilter } from './frame-filter.ts';
import type { HubMember, ReadEvents } from './hub-ports.ts';
import { Outgoing } from './outgoing.ts';
import type { Outlet } from './outlet.ts';
import type { SessionHub } from './session-hub.ts';

const pageEvents = 200;
/** A store that cannot be read is asked again after this. */
const retryMs = 500;

/**
 * One client's way through the events of a session, over any {@link Outlet}. It is either live (a member of the hub,
 * has seen all up to the hub's `lastSeq`) or catching up (reads the store from its own `seq` on). Nothing is buffered
 * for it but what its outlet holds: a slow client stops being live and catches up again when it has drained. Every
 * frame goes through one gate, which knows what this client may see and wants to see.
 */
export class Connection implements HubMember {
  readonly id: string;
  readonly identity: Identity;
  readonly sessionId: string;
  readonly #outlet: Outlet;
  readonly #filter: FrameFilter | null;
  readonly #receivedSeq: number | undefined;
  readonly #readEvents: ReadEvents;
  readonly #stuckMs: number;
  readonly #logger: Logger;
  #hub: SessionHub | null = null;
  #seq: number;
  #isCatchingUp = false;
  #permitted: Promise<void> | null = null;
  #isLive = false;
  /** Events up to `seq` were held back, and the client has not heard of it. */
  #hasSkipped = false;

  constructor(options: {
    id: string;
    identity: Identity;
    sessionId: string;
    lastSeq: number;
    /** null: everything that this user may see. */
    filter: FrameFilter | null;
    /** What this device said it has received; undefined where it has no name. */
    receivedSeq?: number | undefined;
    outlet: Outlet;
    readEvents: ReadEvents;
    /** A client that does not make room for this long is too slow even for snapshots. */
    stuckMs?: number;
    logger: Logger;
  }) {
    this.id = options.id;
    this.identity = options.identity;
    this.sessionId = options.sessionId;
    this.#seq = options.lastSeq;
    this.#filter = options.filter;
    this.#receivedSeq = options.receivedSeq;
    this.#outlet = options.outlet;
    this.#readEvents = options.readEvents;
    this.#stuckMs = options.stuckMs ?? limits.stuckMs;
    this.#logger = options.logger;
  }

  get isOpen(): boolean {
    return this.#outlet.isOpen;
  }

  /**
   * Says welcome, or `greeting` instead, and begins to deliver. Without a `lastSeq` of its own a client gets the events
   * from the first.
   */
  join(hub: SessionHub, greeting: ServerFrame = this.#welcome(hub)): void {
    this.#hub = hub;
    this.send(greeting);
    this.#catchUp();
  }

  #welcome(hub: SessionHub): ServerFrame {
    const { userId, email, name } = this.identity;
    return {
      type: 'welcome',
      session_id: feedOwner(this.sessionId) ? 'feed' : this.sessionId,
      connection_id: this.id,
      user: { id: userId, email, name },
      last_seq: hub.lastSeq,
      ...(this.#receivedSeq === undefined ? {} : { received_seq: this.#receivedSeq }),
      heartbeat_ms: limits.pingMs,
      protocol: 'turngate.v1',
    };
  }

  /**
   * Delivers again from after `lastSeq`.
   * @param permitted nothing is read before this settles; who may not see anything is closed by then. Never rejects
   */
  resume(lastSeq: number, permitted: Promise<void> | null = null): void {
    this.#permitted = permitted;
    this.#stopLive();
    this.#seq = lastSeq;
    this.#hasSkipped = false;
    this.#catchUp();
  }

  /** Whether the session has come as far as `seq`; rejects when nobody knows. */
  async hasReached(seq: number): Promise<boolean> {
    const hub = this.#hub;
    if (!hub) return false;
    const isRead = await hub.reach(seq);
    if (hub.lastSeq >= seq) return true;
    if (!isRead)
      throw new PublicError('unavailable', 'The store cannot be reached. Send it again in a second.');
    return false;
  }

  /** A live frame for this client alone. Beyond the hard bound the connection is closed instead. */
  send(frame: ServerFrame): void {
    if (this.#filter && !this.#filter(frame)) return;
    if (this.#outlet.isOverrun) this.close('tooSlow');
    else this.#outlet.send(new Outgoing(frame));
  }

  /** A live frame that need not come: answers false, and sends nothing, where there is no room for it. */
  offer(outgoing: Outgoing): boolean {
    if (this.#filter && !this.#filter(outgoing.frame)) return true;
    if (this.#outlet.isFull) return false;
    this.#outlet.send(outgoing);
    return true;
  }

  deliver(frames: Outgoing[]): void {
    this.#outlet.cork(() => {
      if (!this.#putAll(frames)) this.#fallBehind();
    });
  }

  passed(): void {
    this.#stopLive();
    this.#catchUp();
  }

  close(reason: CloseReason, detail?: string): void {
    const { code, reason: text } = closeCodes[reason];
    this.#outlet.end(code, detail === undefined ? text : `${text}; ${detail}`);
  }

  /** To be called once the socket is closed. Answers the hub to give back. */
  leave(): SessionHub | null {
    const hub = this.#hub;
    hub?.detach(this);
    this.#hub = null;
    return hub;
  }

  /** Answers false when there was no room for all of them: the rest is read again when there is. */
  #putAll(frames: Outgoing[]): boolean {
    for (const frame of frames) if (!this.#put(frame)) return false;
    return this.#tellSkipped();
  }

  #put(outgoing: Outgoing): boolean {
    const { frame, seq, audience } = outgoing;
    const isShown = maySee(audience, this.identity.userId) && (!this.#filter || this.#filter(frame));
    if (isShown) {
      if (this.#outlet.isFull || (seq !== undefined && !this.#tellSkipped())) return false;
      this.#outlet.send(outgoing);
    }
    if (seq === undefined) return true;
    this.#seq = seq;
    this.#hasSkipped = !isShown;
    return true;
  }

  /** Events that were held back are no gap: a client judges gaps against the cursor. */
  #tellSkipped(): boolean {
    if (!this.#hasSkipped) return true;
    if (this.#outlet.isFull) return false;
    this.#outlet.send(new Outgoing({ type: 'cursor', seq: this.#seq }));
    this.#hasSkipped = false;
    return true;
  }

  #fallBehind(): void {
    this.#logger.debug(
      { session_id: this.sessionId, connection_id: this.id },
      'client is slow; deltas pause',
    );
    this.#stopLive();
    this.#catchUp();
  }

  #stopLive(): void {
    this.#isLive = false;
    this.#hub?.detach(this);
  }

  #catchUp(): void {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    this.#run().catch((error: unknown) => {
      this.#isCatchingUp = false;
      this.#logger.error({ err: error, connection_id: this.id }, 'delivery to a connection failed');
      this.close('restarting', 'delivery failed; retry_after_ms=1000');
    });
  }

  /** Ends when the connection is live or closed; whoever takes it out of being live meanwhile finds it running. */
  async #run(): Promise<void> {
    while (!this.#isLive) {
      const hasRoom = await this.#hasRoom();
      await this.#permitted;
      // Asked after the wait: who has left must not be attached again.
      const hub = this.#hub;
      if (!hasRoom || !hub) break;
      if (this.#seq > hub.lastSeq) await this.#waitForHub(hub);
      else if (this.#seq < hub.lastSeq) await this.#sendPage(hub.lastSeq);
      else if (this.#tellSkipped()) {
        // From the comparison to here nothing is awaited, so no event falls between the two.
        this.#isLive = true;
        hub.attach(this);
      }
    }
    this.#isCatchingUp = false;
  }

  /** The store may be ahead of the hub; a client may claim what never was. */
  async #waitForHub(hub: SessionHub): Promise<void> {
    const claimed = this.#seq;
    const isRead = await hub.reach(claimed);
    if (hub.lastSeq >= claimed || this.#seq !== claimed) return;
    if (!isRead) {
      await delay(retryMs, undefined, { ref: false });
      return;
    }
    const error = `last_seq ${claimed} is past the end of this session (${hub.lastSeq}); delivery goes on from its end.`;
    this.send({ type: 'error', code: 'validation_error', error });
    this.#seq = hub.lastSeq;
    this.#hasSkipped = false;
  }

  /** @param end where the session was a moment ago: what is not there up to here was removed */
  async #sendPage(end: number): Promise<void> {
    const after = this.#seq;
    const range = { sessionId: this.sessionId, after, limit: pageEvents };
    const page = await this.#readEvents(range).catch((error: unknown) => {
      this.#logger.warn({ err: error, connection_id: this.id }, 'events could not be read; tried again');
      return null;
    });
    if (!page) await delay(retryMs, undefined, { ref: false });
    // A `resume` in between asks for another place.
    if (!page || this.#seq !== after) return;
    const kept = page[0]?.frame.seq ?? end + 1;
    // What does not fit is read again when there is room, so that nothing is held meanwhile.
    this.#outlet.cork(() => {
      if (kept > after + 1) this.#resync(kept - 1);
      this.#putAll(page.map(({ frame, audience }) => new Outgoing(frame, audience)));
    });
  }

  /** The events up to here are gone: the client has to read the history, and is told so before it gets another one. */
  #resync(lastSeq: number): void {
    this.#seq = lastSeq;
    this.#hasSkipped = false;
    this.send({ type: 'resync', reason: 'retention', last_seq: lastSeq });
  }

  /** Waits until the socket has drained. Answers false when it is closed, also by us for being too slow. */
  async #hasRoom(): Promise<boolean> {
    if (!this.#outlet.isFull) return this.isOpen;
    const tooSlow = setTimeout(() => this.close('tooSlow'), this.#stuckMs);
    await this.#outlet.drained();
    clearTimeout(tooSlow);
    return this.isOpen;
  }
}
