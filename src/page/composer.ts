import { h } from './dom.ts';

export interface ComposerActions {
  send(content: string): void;
  stop(): void;
  typing(active: boolean): void;
}

const typingEndsMs = 3_000;

/** Where one writes: Enter sends, Shift-Enter is a new line. */
export class Composer {
  readonly element: HTMLElement;
  readonly #field: HTMLTextAreaElement;
  readonly #stop: HTMLButtonElement;
  #typingTimer = 0;

  constructor(actions: ComposerActions) {
    const send = () => {
      const content = this.#field.value.trim();
      if (content === '') return;
      this.#field.value = '';
      actions.send(content);
    };
    this.#field = h('textarea', {
      rows: '2',
      placeholder: 'Write a message …',
      'aria-label': 'Message',
      maxlength: '100000',
      keydown: (event) => {
        const { key, shiftKey, isComposing } = event as KeyboardEvent;
        if (key !== 'Enter' || shiftKey || isComposing) return;
        event.preventDefault();
        send();
      },
      input: () => this.#typing(actions),
    });
    this.#stop = h('button', { class: 'plain', type: 'button', click: () => actions.stop() }, 'Stop');
    this.element = h(
      'form',
      {
        class: 'composer',
        submit: (event) => {
          event.preventDefault();
          send();
        },
      },
      this.#field,
      h('div', { class: 'buttons' }, this.#stop, h('button', { type: 'submit' }, 'Send')),
    );
  }

  show(state: { isRunning: boolean; isStopped: boolean }): void {
    this.#stop.hidden = !state.isRunning;
    this.#field.disabled = state.isStopped;
  }

  focus(): void {
    this.#field.focus();
  }

  #typing(actions: ComposerActions): void {
    if (this.#typingTimer === 0) actions.typing(true);
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => {
      this.#typingTimer = 0;
      actions.typing(false);
    }, typingEndsMs);
  }
}
