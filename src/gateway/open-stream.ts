import type { LiveDelta } from '../live/port.ts';
import type { DeltaFrame, LiveFrame } from '../protocol/live-frames.ts';

export type Snapshot = Extract<LiveFrame, { type: 'stream_snapshot' }>;

/** Code units of deltas that may wait for a gap to close; beyond it they are dropped and the draft has them. */
const maxHeldChars = 256 * 1024;

/** The text of one attempt of one message, assembled from deltas that may come twice, late or never. */
export class OpenStream {
  readonly messageId: string;
  readonly attempt: number;
  readonly #said = { text: '', thought: '' };
  /** Deltas past a gap, in the order they came. */
  #held: LiveDelta[] = [];
  #heldChars = 0;
  #isHealing = false;

  constructor(start: { messageId: string; attempt: number; content?: string; thought?: string }) {
    this.messageId = start.messageId;
    this.attempt = start.attempt;
    this.#said.text = start.content ?? '';
    this.#said.thought = start.thought ?? '';
  }

  get hasText(): boolean {
    return this.#said.text !== '' || this.#said.thought !== '';
  }

  /** While this holds, deltas wait: nobody may see what follows a gap before the gap is closed. */
  get isHealing(): boolean {
    return this.#isHealing;
  }

  isOf(message: { messageId: string; attempt: number }): boolean {
    return this.messageId === message.messageId && this.attempt === message.attempt;
  }

  /**
   * Takes a delta.
   * @returns what of it is new to a reader, null where nothing is, `gap` where text before it is missing
   */
  add(delta: LiveDelta): DeltaFrame | null | 'gap' {
    if (this.#isHealing) {
      this.#hold(delta);
      return null;
    }
    const known = this.#said[delta.channel].length;
    if (delta.offset > known) return 'gap';
    const fresh = delta.offset === known ? delta.delta : delta.delta.slice(known - delta.offset);
    if (fresh === '') return null;
    this.#said[delta.channel] += fresh;
    return {
      type: delta.channel === 'text' ? 'stream_delta' : 'thought_delta',
      message_id: this.messageId,
      attempt: this.attempt,
      offset: known,
      delta: fresh,
    };
  }

  startHealing(firstUnseen?: LiveDelta): void {
    this.#isHealing = true;
    if (firstUnseen) this.#hold(firstUnseen);
  }

  /**
   * Takes over what the draft knows more, then the deltas that waited.
   * @returns whether no gap is left
   */
  closeGap(draft: { attempt: number; content: string; thought: string } | null): boolean {
    if (draft?.attempt === this.attempt) {
      if (draft.content.length > this.#said.text.length) this.#said.text = draft.content;
      if (draft.thought.length > this.#said.thought.length) this.#said.thought = draft.thought;
    }
    this.#isHealing = false;
    const held = this.#held;
    this.#forgetHeld();
    const apart = held.filter((delta) => this.add(delta) === 'gap');
    if (apart.length === 0) return true;
    this.#isHealing = true;
    for (const delta of apart) this.#hold(delta);
    return false;
  }

  /** Gives up on what waited; the next delta shows whether there still is a gap. */
  stopHealing(): void {
    this.#isHealing = false;
    this.#forgetHeld();
  }

  /** Length of both texts: it only grows. */
  get length(): number {
    return this.#said.text.length + this.#said.thought.length;
  }

  snapshot(): Snapshot {
    const { text, thought } = this.#said;
    return {
      type: 'stream_snapshot',
      message_id: this.messageId,
      attempt: this.attempt,
      content: text,
      ...(thought === '' ? {} : { thought }),
    };
  }

  #hold(delta: LiveDelta): void {
    if (this.#heldChars + delta.delta.length > maxHeldChars) this.#forgetHeld();
    this.#held.push(delta);
    this.#heldChars += delta.delta.length;
  }

  #forgetHeld(): void {
    this.#held = [];
    this.#heldChars = 0;
  }
}
