import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { LiveDelta, SessionMessage } from '../live/port.ts';
import type { AgentState, EventFrame, ServerFrame } from '../protocol/server-frames.ts';
import type { StoredEvent } from '../store/events.ts';
import type { LiveState } from '../store/live-state.ts';
import { type HubMember, type HubStore, type HubTimings, hubTimings } from './hub-ports.ts';
import { OpenStream } from './open-stream.ts';
import { Outgoing } from './outgoing.ts';
import { SessionActivity } from './session-activity.ts';
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
  #stream: OpenStream | null = null;
  #activity: SessionActivity | null = null;
  /** What members were told last that the agent does. */
  #shownState: AgentState = 'idle';
  readonly #inbox: SessionInbox;
  #isPumping = false;
  #isClosed = false;
  #out: Outgoing[] = [];
  #pumped: ((isRead: boolean) => void)[] = [];
  #lastDeltaAt = Date.now();
  #probeMs: number;

  constructor(options: { sessionId: string; store: HubStore; logger: Logger; timings?: HubTimings }) {
    this.sessionId = options.sessionId;
    this.#store = options.store;
    this.#logger = options.logger;
    this.#timings = options.timings ?? hubTimings;
    this.#probeMs = this.#timings.probeFirstMs;
    this.#inbox = new SessionInbox(options.sessionId);
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
    const snapshot = this.#stream ? [this.#stream.snapshot()] : [];
    const status = this.#activity ? [this.#activity.frame(Date.now(), this.#isSpeaking)] : [];
    member.deliver([...snapshot, ...status].map((frame) => new Outgoing(frame)));
  }

  detach(member: HubMember): void {
    this.#members.delete(member);
  }

  /** Called a few times a second: shows a stall, and compares a silent stream with its draft. */
  tick(now: number): void {
    const activity = this.#activity;
    if (!activity || this.#isClosed) return;
    if (activity.beginsToStall(now, this.#timings.stalledMs, this.#isSpeaking)) {
      this.#showActivity();
      this.#flush();
    }
    const stream = this.#stream;
    if (!stream || stream.isHealing || now - this.#lastDeltaAt < this.#probeMs) return;
    this.#lastDeltaAt = now;
    this.#probeMs = Math.min(this.#probeMs * 2, this.#timings.probeLastMs);
    void this.#heal(stream);
  }

  close(): void {
    this.#isClosed = true;
    this.#members.clear();
    this.#inbox.takeAll();
    this.#settle(false);
  }

  get #isSpeaking(): boolean {
    return this.#stream?.hasText ?? false;
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
    const streamBefore = this.#stream;
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
    // Its start was missed, so its first deltas were not taken for its own.
    if (this.#stream && this.#stream !== streamBefore && !this.#stream.isHealing)
      void this.#heal(this.#stream);
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
    this.#stream = state.stream ? new OpenStream(state.stream) : null;
    this.#activity = new SessionActivity(state, Date.now());
    this.#shownState = this.#activity.state(this.#isSpeaking);
  }

  #applyEvent({ frame: event, audience }: StoredEvent): void {
    if (event.seq !== this.#lastSeq + 1) return;
    this.#lastSeq = event.seq;
    this.#out.push(new Outgoing(event, audience));
    if (event.type === 'stream_start' || event.type === 'stream_reset') {
      this.#openStream(event.message_id, event.attempt);
    }
    if (event.type === 'stream_end' || event.type === 'turn_end') this.#closeStream(event);
    const wasStalled = this.#activity?.sign(Date.now());
    const retrying = this.#activity?.apply(event);
    if (retrying) this.#show(retrying);
    else if (wasStalled) this.#showActivity();
  }

  #openStream(messageId: string, attempt: number | undefined): void {
    if (attempt !== undefined) this.#stream = new OpenStream({ messageId, attempt });
    else if (this.#stream?.messageId === messageId) this.#stream = null;
    this.#heard();
  }

  #closeStream(event: Extract<EventFrame, { type: 'stream_end' | 'turn_end' }>): void {
    const isOther = event.type === 'stream_end' && event.message_id !== this.#stream?.messageId;
    if (!isOther && (event.type === 'stream_end' || this.#activity?.isOf(event.turn_id))) this.#stream = null;
  }

  #applyDelta(delta: LiveDelta): void {
    const stream = this.#stream;
    if (!stream?.isOf(delta)) return;
    this.#heard();
    this.#sign();
    const fresh = stream.add(delta);
    if (fresh === 'gap') {
      stream.startHealing(delta);
      void this.#heal(stream);
    } else if (fresh) this.#show(fresh);
  }

  #applyNotice(frame: Extract<SessionMessage, { kind: 'notice' }>['frame']): void {
    if (frame.type !== 'agent_status') this.#sign();
    else if (!this.#activity?.heed(frame, Date.now())) return;
    this.#show(frame);
  }

  #heard(): void {
    this.#lastDeltaAt = Date.now();
    this.#probeMs = this.#timings.probeFirstMs;
  }

  #sign(): void {
    if (this.#activity?.sign(Date.now())) this.#showActivity();
  }

  #showActivity(): void {
    if (this.#activity) this.#show(this.#activity.frame(Date.now(), this.#isSpeaking));
  }

  /** What no worker can say, because none of its activities runs then. */
  #showState(): void {
    const state = this.#activity?.state(this.#isSpeaking) ?? 'idle';
    const isNews = state !== this.#shownState;
    this.#shownState = state;
    if (isNews && (state === 'idle' || state === 'waiting_approval')) this.#showActivity();
  }

  /** Never rejects and is not awaited: events go on meanwhile, and the end of the stream ends this too. */
  async #heal(stream: OpenStream): Promise<void> {
    const shown = stream.length;
    const deadline = Date.now() + this.#timings.healMs;
    stream.startHealing();
    for (;;) {
      const draft = await this.#store.readDraft(stream.messageId).catch((error: unknown) => {
        this.#logger.warn({ err: error, session_id: this.sessionId }, 'a draft could not be read');
        return undefined;
      });
      if (this.#isOver(stream)) return;
      if (stream.closeGap(draft ?? null) || draft === undefined || Date.now() >= deadline) break;
      await delay(this.#timings.healEveryMs, undefined, { ref: false });
    }
    // From closing the gap to here nothing is awaited, so no delta is shown before the snapshot that it follows.
    stream.stopHealing();
    if (stream.length === shown) return;
    this.#show(stream.snapshot());
    this.#flush();
  }

  #isOver(stream: OpenStream): boolean {
    return this.#stream !== stream || this.#isClosed;
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
