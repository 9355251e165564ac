import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { type CloseReason, closeCodes } from '../protocol/close-codes.ts';
import { limits } from '../protocol/limits.ts';
import type { EventFrame, ServerFrame } from '../protocol/server-frames.ts';
import type { Identity } from './auth.ts';
import type { HubMember, Outgoing } from './hub-ports.ts';
import type { Outlet } from './outlet.ts';
import type { SessionHub } from './session-hub.ts';

type ReadEvents = (range: { sessionId: string; after: number; limit: number }) => Promise<EventFrame[]>;

const pageEvents = 200;
/** A store that cannot be read is asked again after this. */
const retryMs = 500;
/** A client that does not make room for this long is too slow even for snapshots. */
const stuckMs = 60_000;

/**
 * One client's way through the events of a session. It is either live (a member of the hub, has seen all up
 * to the hub's `lastSeq`) or catching up (reads the store from its own `seq` on). Nothing is buffered for it
 * but what its socket holds: a slow client stops being live and catches up again when it has drained.
 */
export class Connection implements HubMember {
  readonly id = uuidv7();
  readonly identity: Identity;
  readonly sessionId: string;
  readonly #outlet: Outlet<unknown>;
  readonly #readEvents: ReadEvents;
  readonly #logger: Logger;
  #hub: SessionHub | null = null;
  #seq: number;
  #isCatchingUp = false;
  #isLive = false;

  constructor(options: {
    identity: Identity;
    sessionId: string;
    lastSeq: number;
    outlet: Outlet<unknown>;
    readEvents: ReadEvents;
    logger: Logger;
  }) {
    this.identity = options.identity;
    this.sessionId = options.sessionId;
    this.#seq = options.lastSeq;
    this.#outlet = options.outlet;
    this.#readEvents = options.readEvents;
    this.#logger = options.logger;
  }

  get isOpen(): boolean {
    return this.#outlet.isOpen;
  }

  /** Says welcome and begins to deliver. Without a `lastSeq` of its own a client gets the events from the first. */
  join(hub: SessionHub): void {
    this.#hub = hub;
    const { userId, email, name } = this.identity;
    this.send({
      type: 'welcome',
      session_id: this.sessionId,
      connection_id: this.id,
      user: { id: userId, email, name },
      last_seq: hub.lastSeq,
      heartbeat_ms: limits.pingMs,
      protocol: 'turngate.v1',
    });
    this.#catchUp();
  }

  /** Delivers again from after `lastSeq`. */
  resume(lastSeq: number): void {
    this.#stopLive();
    this.#seq = lastSeq;
    this.#catchUp();
  }

  /** A frame for this client alone. Beyond the hard bound the connection is closed instead. */
  send(frame: ServerFrame): void {
    if (this.#outlet.isOverrun) this.close('tooSlow');
    else this.#outlet.send(JSON.stringify(frame));
  }

  deliver(frames: Outgoing[]): void {
    this.#outlet.cork(() => {
      for (const { json, seq } of frames) {
        if (this.#outlet.isFull) {
          this.#fallBehind();
          return;
        }
        this.#outlet.send(json);
        if (seq !== undefined) this.#seq = seq;
      }
    });
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
      // Asked after the wait: who has left must not be attached again.
      const hub = this.#hub;
      if (!hasRoom || !hub) break;
      if (this.#seq > hub.lastSeq) await this.#waitForHub(hub);
      else if (this.#seq < hub.lastSeq) await this.#sendPage();
      else {
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
  }

  async #sendPage(): Promise<void> {
    const after = this.#seq;
    const page = await this.#readEvents({ sessionId: this.sessionId, after, limit: pageEvents }).catch(
      (error: unknown) => {
        this.#logger.warn({ err: error, connection_id: this.id }, 'events could not be read; tried again');
        return [];
      },
    );
    if (page.length === 0) await delay(retryMs, undefined, { ref: false });
    // A `resume` in between asks for another place.
    if (this.#seq !== after) return;
    this.#outlet.cork(() => {
      for (const event of page) {
        // The rest of the page is read again when there is room, so that nothing is held meanwhile.
        if (this.#outlet.isFull) return;
        this.#outlet.send(JSON.stringify(event));
        this.#seq = event.seq;
      }
    });
  }

  /** Waits until the socket has drained. Answers false when it is closed, also by us for being too slow. */
  async #hasRoom(): Promise<boolean> {
    if (!this.#outlet.isFull) return this.isOpen;
    const tooSlow = setTimeout(() => this.close('tooSlow'), stuckMs);
    await this.#outlet.drained();
    clearTimeout(tooSlow);
    return this.isOpen;
  }
}
