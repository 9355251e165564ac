import type { SessionView } from '../client/index.ts';
import { h, setChildren, setText } from './dom.ts';
import { Keyed } from './keyed.ts';

const dayMs = 24 * 3_600_000;
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

export interface ListState {
  sessions: readonly SessionView[];
  chosen: string | null;
  /** How many approvals and questions wait, by session. */
  waiting: ReadonlyMap<string, number>;
  hasMore: boolean;
  fault: string | null;
}

export interface ListActions {
  choose(id: string): void;
  create(): void;
  more(): void;
  signOut(): void;
}

/** The sidebar: my sessions, newest first. */
export class SessionList {
  readonly element: HTMLElement;
  readonly #items: HTMLElement;
  readonly #more: HTMLButtonElement;
  readonly #fault: HTMLElement;
  readonly #views: Keyed<SessionView, SessionItem>;

  constructor(actions: ListActions) {
    this.#views = new Keyed(() => new SessionItem(actions));
    this.#items = h('ul', { 'aria-label': 'Sessions' });
    this.#more = h('button', { class: 'plain', click: () => actions.more() }, 'Older sessions');
    this.#fault = h('p', { class: 'fault', role: 'alert' });
    this.element = h(
      'nav',
      { class: 'sessions', 'aria-label': 'Sessions' },
      h('header', {}, h('h1', {}, 'Turngate'), h('button', { click: () => actions.create() }, 'New session')),
      this.#fault,
      this.#items,
      this.#more,
      h('footer', {}, h('button', { class: 'plain', click: () => actions.signOut() }, 'Sign out')),
    );
  }

  show(state: ListState): void {
    const elements = this.#views.show(state.sessions, ({ id }) => id);
    elements.forEach((element, index) => {
      if (!(element instanceof HTMLElement)) return;
      const isChosen = state.sessions[index]?.id === state.chosen;
      element.firstElementChild?.setAttribute('aria-current', String(isChosen));
      const waiting = state.waiting.get(state.sessions[index]?.id ?? '') ?? 0;
      element.toggleAttribute('data-waits', waiting > 0);
      element.title = waiting > 0 ? `${waiting} waiting for you` : '';
    });
    setChildren(this.#items, elements);
    this.#more.hidden = !state.hasMore;
    this.#fault.hidden = state.fault === null;
    setText(this.#fault, state.fault ?? '');
  }
}

class SessionItem {
  readonly element: HTMLElement;
  readonly #title = h('span', { class: 'title' });
  readonly #time = h('time');
  #id = '';

  constructor(actions: ListActions) {
    const choose = () => actions.choose(this.#id);
    this.element = h('li', {}, h('button', { class: 'session', click: choose }, this.#title, this.#time));
  }

  update(session: SessionView): void {
    this.#id = session.id;
    setText(this.#title, session.title || 'Untitled');
    const isRecent = Date.now() - session.updated_at < dayMs;
    setText(this.#time, (isRecent ? time : day).format(session.updated_at));
    this.#time.dateTime = new Date(session.updated_at).toISOString();
  }
}
