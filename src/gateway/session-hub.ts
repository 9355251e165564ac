import type { Logger } from 'pino';
import type { LiveDelta, SessionMessage } from '../live/port.ts';
import type { AgentState } from '../protocol/live-frames.ts';
import type { ServerFrame } from '../protocol/server-frames.ts';
import type { StoredEvent } from '../store/events.ts';
import type { LiveState } from '../store/live-state.ts';
import { type HubMember, type HubStore, type HubTimings, hubTimings } from './hub-ports.ts';
import { HubStream } from './hub-stream.ts';
import { Outgoing } from './outgoing.ts';
import { isAtRest, SessionActivity } from './session-activity.ts';
import { SessionInbox } from './session-inbox.ts';

const pageEvents = 200;

/**
 * All that this process knows of one session while somebody is connected to it. Every change goes through
 * one queue: live messages, and what has to be read from the store because live messages were lost. So
 * members see events in the order of `seq` without a gap, and deltas only at their offset.
 */
export class SessionHub {
  readonly sessionId: string;
  readonly #store: HubStore;
  readonly #logger: Logger;
  readonly #timings: HubTimings;
  readonly #members = new Set<HubMember>();
  #lastSeq = 0;
  readonly #stream: HubStream;
  #activity: SessionActivity | null = null;
  /** What members were told last that the agent does. */
  #shownState: AgentState = 'idle';
  readonly #inbox: SessionInbox;
  #isPumping = false;
  #isClosed = false;
  #out: Outgoing[] = [];
  #pumped: ((isRead: boolean) => void)[] = [];

  constructor(options: { sessionId: string; store: HubStore; logger: Logger; timings?: HubTimings }) {
    this.sessionId = options.sessionId;
    this.#store = options.store;
    this.#logger = options.logger;
    this.#timings = options.timings ?? hubTimings;
    this.#inbox = new SessionInbox(options.sessionId);
    this.#stream = new HubStream({
      sessionId: options.sessionId,
      readDraft: (messageId) => options.store.readDraft(messageId),
      timings: this.#timings,
      logger: options.logger,
      onHealed: (snapshot) => {
        this.#show(snapshot);
        this.#flush();
      },
    });
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /**
   * Reads where the session is, then applies what has arrived since the hub was made.
   * @returns false when there is no such session; rejects when the store cannot be read
   */
  async load(): Promise<boolean> {
    const state = await this.#store.readLiveState(this.sessionId);
    if (!state) return false;
    this.#begin(state);
    this.#pumpSoon();
    return true;
  }

  /** Takes a live message in; before {@link load} has read the store they wait. */
  receive(message: SessionMessage): void {
    if (this.#isClosed) return;
    this.#inbox.add(message);
    this.#pumpSoon();
  }

  /** Says that the store has events up to `seq`. */
  announce(seq: number): void {
    if (seq > this.#lastSeq) this.receive({ kind: 'announce', sessionId: this.sessionId, lastSeq: seq });
  }

  /**
   * Reads the store up to `seq`; whether it goes that far, `lastSeq` says then.
   * @returns false when the store could not be read
   */
  async reach(seq: number): Promise<boolean> {
    if (seq <= this.#lastSeq) return true;
    if (this.#isClosed) return false;
    const tried = new Promise<boolean>((resolve) => this.#pumped.push(resolve));
    this.announce(seq);
    return tried;
  }

  /** Lets a connection take part. It must have seen exactly the events up to `lastSeq`. */
  attach(member: HubMember): void {
    this.#flush();
    this.#members.add(member);
    // Also of an empty text: whoever comes after the stream's start learns which message is being said.
    const { snapshot } = this.#stream;
    const status = this.#activity ? [this.#activity.frame(Date.now(), this.#stream.isSpeaking)] : [];
    member.deliver([...(snapshot ? [snapshot] : []), ...status].map((frame) => new Outgoing(frame)));
  }

  detach(member: HubMember): void {
    this.#members.delete(member);
  }

  /** Called a few times a second: shows a stall, and compares a silent stream with its draft. */
  tick(now: number): void {
    const activity = this.#activity;
    if (!activity || this.#isClosed) return;
    if (activity.beginsToStall(now, this.#timings.stalledMs, this.#stream.isSpeaking)) {
      this.#showActivity();
      this.#flush();
    }
    this.#stream.tick(now);
  }

  close(): void {
    this.#isClosed = true;
    this.#stream.close();
    this.#members.clear();
    this.#inbox.takeAll();
    this.#settle(false);
  }

  /** Everything that arrives in one round of the event loop goes to each member together. */
  #pumpSoon(): void {
    if (this.#isPumping || !this.#activity || this.#isClosed) return;
    this.#isPumping = true;
    queueMicrotask(() => void this.#pump());
  }

  async #pump(): Promise<void> {
    let isRead = true;
    try {
      while (!this.#inbox.isEmpty) {
        for (const message of this.#inbox.takeAll()) {
          const wanted = this.#apply(message);
          if (wanted > this.#lastSeq) await this.#readUpTo(wanted);
        }
      }
    } catch (error) {
      isRead = false;
      // What was in the batch is in the store too: the next poll brings the hub there.
      this.#logger.warn(
        { err: error, session_id: this.sessionId },
        'a session could not be brought up to date',
      );
    }
    this.#showState();
    this.#flush();
    this.#isPumping = false;
    this.#settle(isRead);
    if (!this.#inbox.isEmpty) this.#pumpSoon();
  }

  #settle(isRead: boolean): void {
    for (const resolve of this.#pumped.splice(0)) resolve(isRead);
  }

  /** Applies what follows what is known. Answers the `seq` up to which the store has to be read, or 0. */
  #apply(message: SessionMessage): number {
    switch (message.kind) {
      case 'delta':
        this.#applyDelta(message);
        return 0;
      case 'announce':
        return message.lastSeq;
      case 'notice':
        this.#applyNotice(message.frame);
        return 0;
      case 'events':
        for (const event of message.events) {
          if (event.seq > this.#lastSeq + 1) return message.events.at(-1)?.seq ?? event.seq;
          this.#applyEvent({ frame: event, audience: null });
        }
        return 0;
    }
  }

  async #readUpTo(seq: number): Promise<void> {
    const healMissedStart = this.#stream.watchForMissedStart();
    while (this.#lastSeq < seq && !this.#isClosed) {
      this.#flush();
      const range = { sessionId: this.sessionId, after: this.#lastSeq, limit: pageEvents };
      const events = await this.#store.readEvents(range);
      if (events[0]?.frame.seq !== this.#lastSeq + 1) {
        await this.#pass();
        break;
      }
      for (const event of events) this.#applyEvent(event);
    }
    healMissedStart();
  }

  /**
   * The next event is not there. Either nothing more is, or it was removed after a long time without the store: then
   * the hub begins anew where the session is, and its members find out themselves what they missed.
   */
  async #pass(): Promise<void> {
    const state = await this.#store.readLiveState(this.sessionId);
    if (!state || state.lastSeq <= this.#lastSeq) return;
    this.#begin(state);
    const members = [...this.#members];
    this.#members.clear();
    for (const member of members) member.passed();
  }

  #begin(state: LiveState): void {
    this.#lastSeq = state.lastSeq;
    this.#stream.begin(state.stream);
    this.#activity = new SessionActivity(state, Date.now());
    this.#shownState = this.#activity.state(this.#stream.isSpeaking);
  }

  #applyEvent({ frame: event, audience }: StoredEvent): void {
    if (event.seq !== this.#lastSeq + 1) return;
    this.#lastSeq = event.seq;
    this.#out.push(new Outgoing(event, audience));
    this.#stream.apply(event, this.#activity?.isOf(event.turn_id) ?? false);
    const wasStalled = this.#activity?.sign(Date.now());
    const retrying = this.#activity?.apply(event);
    if (retrying) this.#show(retrying);
    else if (wasStalled) this.#showActivity();
  }

  #applyDelta(delta: LiveDelta): void {
    const taken = this.#stream.add(delta);
    if (!taken) return;
    this.#sign();
    if (taken.fresh) this.#show(taken.fresh);
  }

  #applyNotice(frame: Extract<SessionMessage, { kind: 'notice' }>['frame']): void {
    if (frame.type !== 'agent_status') this.#sign();
    else if (!this.#activity?.heed(frame, Date.now())) return;
    this.#show(frame);
  }

  #sign(): void {
    if (this.#activity?.sign(Date.now())) this.#showActivity();
  }

  #showActivity(): void {
    if (this.#activity) this.#show(this.#activity.frame(Date.now(), this.#stream.isSpeaking));
  }

  /** What no worker can say, because none of its activities runs then. */
  #showState(): void {
    const state = this.#activity?.state(this.#stream.isSpeaking) ?? 'idle';
    const isNews = state !== this.#shownState;
    this.#shownState = state;
    if (isNews && isAtRest(state)) this.#showActivity();
  }

  #show(frame: ServerFrame): void {
    if (frame.type === 'agent_status') this.#shownState = frame.status;
    this.#out.push(new Outgoing(frame));
  }

  #flush(): void {
    if (this.#out.length === 0) return;
    const frames = this.#out;
    this.#out = [];
    for (const member of [...this.#members]) member.deliver(frames);
  }
}
