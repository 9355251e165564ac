import type { ServerFrame } from '../protocol/server-frames.ts';
import { backoffMs } from './after-close.ts';
import { applyFrame, isEvent, type Known } from './apply.ts';
import { TurngateError } from './errors.ts';
import type { Runtime, StopTimer } from './runtime.ts';
import type { SessionSnapshot } from './state.ts';

/** What was asked for and did not come in this time does not come. */
const resumeMs = 2_000;

export interface SyncOwner {
  /** Reads the session as it is now. */
  load(): Promise<Known>;
  /** Asks for everything after `lastSeq`. */
  resume(lastSeq: number): void;
  /** Begins a new connection, which tells everything after what is known. */
  reconnect(): void;
  onChange(view: SessionSnapshot): void;
  /** The history was read instead of the events up to `lastSeq`. */
  onReloaded(reason: string, lastSeq: number): void;
}

/** Keeps what is known of a session equal to what the gateway says: applies frames, asks for what is missing. */
export class Sync {
  readonly #runtime: Runtime;
  readonly #owner: SyncOwner;
  #known: Known;
  #missing: 'events' | 'text' | null = null;
  #stopTimer: StopTimer | null = null;
  #isReloading = false;
  #isClosed = false;

  constructor(runtime: Runtime, owner: SyncOwner, known: Known) {
    this.#runtime = runtime;
    this.#owner = owner;
    this.#known = known;
  }

  get view(): SessionSnapshot {
    return this.#known.view;
  }

  /** Where to go on: the `last_seq` of a connection or a `resume`. */
  get resumeFrom(): number {
    return this.#runtime.rules.resumeFrom(this.view.lastSeq);
  }

  /** @returns whether the frame counted: each event does once and in order */
  take(frame: ServerFrame): boolean {
    const { rules } = this.#runtime;
    if (this.#isReloading && isOfContent(frame)) return false;
    const { known, isTaken, want } = applyFrame(this.#known, frame, rules);
    this.#set(known);
    if (frame.type === 'welcome') this.#found();
    else if (isTaken) this.#findWith(frame);
    if (want === 'history') void this.#reload(frame.type === 'resync' ? frame.reason : '');
    else if (want !== 'nothing') this.#miss(want);
    return isTaken;
  }

  /** Changes what is shown by something else than a frame. */
  change(work: (view: SessionSnapshot) => SessionSnapshot): void {
    this.#set({ ...this.#known, view: work(this.view) });
  }

  /** Takes over what was read; what the connection and the person did stays. */
  replace(known: Known): void {
    const { connection, queue, user, presence, typing, agent } = this.view;
    const shown = new Set(known.view.messages.map((message) => message.clientMessageId));
    // What was accepted is in the history, or comes as an event after it.
    const waiting = queue.filter((item) => item.status === 'sending' && !shown.has(item.id));
    const lastSeq = this.#runtime.rules.historyEnd(known.view.lastSeq);
    const view = { ...known.view, lastSeq, connection, queue: waiting, user, presence, typing, agent };
    this.#set({ ...this.#known, view, gone: new Map([...this.#known.gone, ...known.gone]) });
  }

  close(): void {
    this.#isClosed = true;
    this.#found();
  }

  #set(known: Known): void {
    const before = this.#known.view;
    this.#known = known;
    if (known.view !== before) this.#owner.onChange(known.view);
  }

  #findWith(frame: ServerFrame): void {
    const isFound =
      this.#missing === 'events'
        ? isEvent(frame) || frame.type === 'cursor'
        : frame.type.startsWith('stream_');
    if (this.#missing !== null && isFound) this.#found();
  }

  #found(): void {
    this.#missing = null;
    this.#stopTimer?.();
    this.#stopTimer = null;
  }

  #miss(what: 'events' | 'text'): void {
    // Events bring the text with them; missing events are the greater want.
    if (this.#missing === what || this.#missing === 'events') return;
    if (!this.#runtime.rules.asksAgain()) return;
    this.#missing = what;
    this.#ask();
  }

  #ask(): void {
    const what = this.#missing;
    this.#stopTimer = this.#runtime.clock.after(resumeMs, () => {
      this.#found();
      // Text that does not come is over. Events that do not are told by a connection from its beginning.
      if (what === 'events') this.#owner.reconnect();
    });
    this.#owner.resume(this.resumeFrom);
  }

  /** Never rejects. Frames that come meanwhile are not applied: a new connection tells them again. */
  async #reload(reason: string): Promise<void> {
    if (this.#isReloading) return;
    this.#isReloading = true;
    this.#found();
    for (let failures = 0; !this.#isClosed; failures += 1) {
      try {
        const known = await this.#owner.load();
        this.#isReloading = false;
        if (this.#isClosed) return;
        this.replace(known);
        this.#owner.onReloaded(reason, known.view.lastSeq);
        this.#owner.reconnect();
        return;
      } catch (error) {
        if (error instanceof TurngateError && error.code === 'closed') return;
        const delayMs = backoffMs(failures, this.#runtime.random);
        await new Promise<void>((resolve) => this.#runtime.clock.after(delayMs, resolve));
      }
    }
  }
}

/** What a connection says again after a resume: events, text, and where they stand. */
function isOfContent(frame: ServerFrame): boolean {
  const { type } = frame;
  return (
    isEvent(frame) ||
    type.includes('_delta') ||
    type === 'stream_snapshot' ||
    type === 'cursor' ||
    type === 'resync'
  );
}
