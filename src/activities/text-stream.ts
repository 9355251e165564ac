import type { LivePlane } from '../live/port.ts';
import type { ModelSink } from '../model/port.ts';
import { ModelError } from '../model/port.ts';
import type { Draft } from '../store/drafts.ts';
import type { DraftSource } from './draft-writer.ts';

/** Text or reasoning of one message, UTF-16 code units. */
const MESSAGE_CHARS_MAX = 1_000_000;

/**
 * The only writer of its message: numbers the deltas itself, by the length of the text before each. Nothing leaves
 * before `release`, because until the opening transaction is durable the attempt does not exist.
 */
export class TextStream implements ModelSink, DraftSource {
  content = '';
  thoughts = '';
  readonly #live: LivePlane;
  readonly #draft: Pick<Draft, 'messageId' | 'sessionId' | 'attempt'>;
  #published = { text: 0, thought: 0 };
  #released = false;
  #version = 0;

  constructor(live: LivePlane, draft: Pick<Draft, 'messageId' | 'sessionId' | 'attempt'>) {
    this.#live = live;
    this.#draft = draft;
  }

  text(piece: string): void {
    this.content += piece;
    this.#added('text', this.content);
  }

  thought(piece: string): void {
    this.thoughts += piece;
    this.#added('thought', this.thoughts);
  }

  release(): void {
    this.#released = true;
    this.#publish('thought', this.thoughts);
    this.#publish('text', this.content);
  }

  version(): number {
    return this.#released ? this.#version : 0;
  }

  read(): Draft {
    return { ...this.#draft, content: this.content, thought: this.thoughts };
  }

  #added(channel: 'text' | 'thought', all: string): void {
    if (all.length > MESSAGE_CHARS_MAX) {
      throw new ModelError('BadRequest', `The model's message grew past ${MESSAGE_CHARS_MAX} characters.`);
    }
    this.#version += 1;
    if (this.#released) this.#publish(channel, all);
  }

  #publish(channel: 'text' | 'thought', all: string): void {
    const offset = this.#published[channel];
    if (all.length === offset) return;
    this.#published[channel] = all.length;
    const { sessionId, messageId, attempt } = this.#draft;
    this.#live.publish({
      kind: 'delta',
      sessionId,
      messageId,
      attempt,
      channel,
      offset,
      delta: all.slice(offset),
    });
  }
}
