import type { Message } from '../client/index.ts';
import { h, setText } from './dom.ts';
import { showMarkdown } from './markdown.ts';

/** One message; an assistant's is Markdown, also while it is streamed. */
export class MessageView {
  readonly element: HTMLElement;
  readonly #body = h('div', { class: 'body' });
  readonly #thought = h('div', { class: 'thought-text' });
  readonly #thoughtBox: HTMLDetailsElement;
  readonly #note = h('p', { class: 'note' });
  readonly #attachments = h('p', { class: 'attachments' });
  #message: Message | null = null;
  #frame = 0;

  constructor() {
    this.#thoughtBox = h('details', { class: 'thought' }, h('summary', {}, 'Reasoning'), this.#thought);
    this.element = h('article', {}, this.#thoughtBox, this.#body, this.#attachments, this.#note);
  }

  update(message: Message): void {
    this.#message = message;
    this.element.className = `message ${message.role}`;
    this.element.dataset.state = message.state;
    this.element.dataset.id = message.id;
    this.#thoughtBox.hidden = message.thought === '';
    const isCut = message.state === 'done' && message.finishReason === 'cancelled';
    setText(this.#note, isCut ? 'Stopped here.' : '');
    this.#note.hidden = !isCut;
    this.#attachments.hidden = message.attachments.length === 0;
    setText(this.#attachments, message.attachments.map(({ name }) => `📎 ${name}`).join('  '));
    // Deltas come faster than a screen shows them.
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = 0;
    const message = this.#message;
    if (!message) return;
    setText(this.#thought, message.thought);
    if (message.role === 'assistant') showMarkdown(this.#body, message.content);
    else setText(this.#body, message.content);
    this.#body.hidden = message.content === '' && message.state === 'done';
  }
}
