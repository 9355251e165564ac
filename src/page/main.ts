import { type Client, createClient, type SessionView, TurngateError } from '../client/index.ts';
import { ConversationView } from './conversation.ts';
import { h } from './dom.ts';
import { deviceOfTab, keepToken, sessionOfAddress, setSessionOfAddress, takeToken } from './place.ts';
import { type ListState, SessionList } from './session-list.ts';
import { signInView } from './sign-in.ts';

/** The whole page: a sidebar of sessions, and the one that is chosen. */
class Page {
  readonly #client: Client;
  readonly #list: SessionList;
  readonly #place = h('div', { class: 'place' });
  #view: ConversationView | null = null;
  #state: ListState = { sessions: [], chosen: null, hasMore: false, fault: null };
  #next: string | undefined;

  constructor(token: string) {
    this.#client = createClient({ url: location.origin, token });
    this.#list = new SessionList({
      choose: (id) => setSessionOfAddress(id),
      create: () => this.#try(this.#create()),
      more: () => this.#try(this.#load()),
      signOut: () => this.#leave(null),
    });
    document.body.replaceChildren(h('div', { class: 'page' }, this.#list.element, this.#place));
    addEventListener('hashchange', this.#onAddress);
    this.#try(this.#begin());
  }

  async #begin(): Promise<void> {
    await this.#load();
    const wanted = sessionOfAddress() ?? this.#state.sessions[0]?.id;
    if (wanted === undefined) await this.#create();
    else this.#open(wanted);
  }

  async #load(): Promise<void> {
    const before = this.#next === undefined ? {} : { before: this.#next };
    const page = await this.#client.sessions.list(before);
    this.#next = page.next ?? undefined;
    this.#change({ sessions: [...this.#state.sessions, ...page.sessions], hasMore: page.next !== null });
  }

  async #create(): Promise<void> {
    const session = await this.#client.sessions.create();
    this.#change({ sessions: [session, ...this.#state.sessions] });
    this.#open(session.id);
  }

  #open(id: string): void {
    setSessionOfAddress(id);
    this.#view?.close();
    const session = this.#client.session(id, { device: deviceOfTab() });
    this.#view = new ConversationView(session, () => this.#open(id));
    const stop = session.store.subscribe(() => {
      const { connection, messages, title } = session.getSnapshot();
      if (connection.kind === 'stopped' && connection.code === 'unauthorized') {
        stop();
        this.#leave(connection.why);
      }
      this.#name(id, title || messages.find(({ role }) => role === 'user')?.content);
    });
    this.#change({ chosen: id });
    this.#place.replaceChildren(this.#view.element);
  }

  /** A session without a title is called by what was said first. */
  #name(id: string, title: string | undefined): void {
    const session = this.#state.sessions.find((one) => one.id === id);
    if (!session || title === undefined || session.title === title) return;
    const named: SessionView = { ...session, title };
    this.#change({ sessions: this.#state.sessions.map((one) => (one.id === id ? named : one)) });
  }

  #leave(why: string | null): void {
    this.#view?.close();
    removeEventListener('hashchange', this.#onAddress);
    keepToken(null);
    askForToken(why);
  }

  readonly #onAddress = () => {
    const id = sessionOfAddress();
    if (id !== null && id !== this.#state.chosen) this.#open(id);
  };

  #change(change: Partial<ListState>): void {
    this.#state = { ...this.#state, ...change };
    this.#list.show(this.#state);
  }

  #try(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (error instanceof TurngateError && error.code === 'unauthorized') this.#leave(error.message);
      else this.#change({ fault: error instanceof Error ? error.message : String(error) });
    });
  }
}

function askForToken(why: string | null): void {
  const view = signInView(why, (token) => {
    keepToken(token);
    start(token);
  });
  document.body.replaceChildren(view);
}

function start(token: string): void {
  new Page(token);
}

const token = takeToken();
if (token === null) askForToken(null);
else start(token);
