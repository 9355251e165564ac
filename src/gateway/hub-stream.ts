import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { LiveDelta } from '../live/port.ts';
import type { DeltaFrame } from '../protocol/live-frames.ts';
import type { EventFrame } from '../protocol/server-frames.ts';
import type { LiveState } from '../store/live-state.ts';
import type { HubStore, HubTimings } from './hub-ports.ts';
import { OpenStream, type Snapshot } from './open-stream.ts';

/**
 * What is being said in a session, as a hub knows it. Deltas that were lost come from the draft: when a gap shows, when
 * a stream's start was missed, and when a stream has been silent for a while.
 */
export class HubStream {
  readonly #readDraft: HubStore['readDraft'];
  readonly #sessionId: string;
  readonly #timings: HubTimings;
  readonly #logger: Logger;
  readonly #onHealed: (snapshot: Snapshot) => void;
  #open: OpenStream | null = null;
  #isClosed = false;
  #lastDeltaAt = Date.now();
  #probeMs: number;

  constructor(options: {
    sessionId: string;
    readDraft: HubStore['readDraft'];
    timings: HubTimings;
    logger: Logger;
    /** Called at once when text came from a draft: nothing of the stream may be shown before it. */
    onHealed(snapshot: Snapshot): void;
  }) {
    this.#sessionId = options.sessionId;
    this.#readDraft = options.readDraft;
    this.#timings = options.timings;
    this.#logger = options.logger;
    this.#onHealed = options.onHealed;
    this.#probeMs = options.timings.probeFirstMs;
  }

  /** A stream is open and has text. */
  get isSpeaking(): boolean {
    return this.#open?.hasText ?? false;
  }

  /** null where nothing is being said. */
  get snapshot(): Snapshot | null {
    return this.#open?.snapshot() ?? null;
  }

  begin(stream: LiveState['stream']): void {
    this.#open = stream ? new OpenStream(stream) : null;
  }

  /** @param isCurrent whether the event is of the turn that runs */
  apply(event: EventFrame, isCurrent: boolean): void {
    if (event.type === 'stream_start' || event.type === 'stream_reset') {
      const { message_id: messageId, attempt } = event;
      if (attempt !== undefined) this.#open = new OpenStream({ messageId, attempt });
      else if (this.#open?.messageId === messageId) this.#open = null;
      this.#heard();
    }
    if (event.type === 'stream_end' && event.message_id === this.#open?.messageId) this.#open = null;
    if (event.type === 'turn_end' && isCurrent) this.#open = null;
  }

  /**
   * Takes a delta.
   * @returns null for one of another stream; else what of it may be shown now
   */
  add(delta: LiveDelta): { fresh: DeltaFrame | null } | null {
    const stream = this.#open;
    if (!stream?.isOf(delta)) return null;
    this.#heard();
    const fresh = stream.add(delta);
    if (fresh !== 'gap') return { fresh };
    stream.startHealing(delta);
    void this.#heal(stream);
    return { fresh: null };
  }

  /** Answers what to call after events were read: a stream whose start was missed has lost its first deltas. */
  watchForMissedStart(): () => void {
    const before = this.#open;
    return () => {
      const stream = this.#open;
      if (stream && stream !== before && !stream.isHealing) void this.#heal(stream);
    };
  }

  /** Called a few times a second: compares a silent stream with its draft. */
  tick(now: number): void {
    const stream = this.#open;
    if (!stream || stream.isHealing || now - this.#lastDeltaAt < this.#probeMs) return;
    this.#lastDeltaAt = now;
    this.#probeMs = Math.min(this.#probeMs * 2, this.#timings.probeLastMs);
    void this.#heal(stream);
  }

  close(): void {
    this.#isClosed = true;
  }

  #heard(): void {
    this.#lastDeltaAt = Date.now();
    this.#probeMs = this.#timings.probeFirstMs;
  }

  /** Never rejects and is not awaited: events go on meanwhile, and the end of the stream ends this too. */
  async #heal(stream: OpenStream): Promise<void> {
    const shown = stream.length;
    const deadline = Date.now() + this.#timings.healMs;
    stream.startHealing();
    for (;;) {
      const draft = await this.#readDraft(stream.messageId).catch((error: unknown) => {
        this.#logger.warn({ err: error, session_id: this.#sessionId }, 'a draft could not be read');
        return undefined;
      });
      if (this.#open !== stream || this.#isClosed) return;
      if (stream.closeGap(draft ?? null) || draft === undefined || Date.now() >= deadline) break;
      await delay(this.#timings.healEveryMs, undefined, { ref: false });
    }
    // From closing the gap to here nothing is awaited, so no delta is shown before the snapshot that it follows.
    stream.stopHealing();
    if (stream.length !== shown) this.#onHealed(stream.snapshot());
  }
}
