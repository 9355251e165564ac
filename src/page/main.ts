import { type Client, createClient, type Feed, type SessionView, TurngateError } from '../client/index.ts';
import { ConversationView } from './conversation.ts';
import { h } from './dom.ts';
import { faultText } from './fault-text.ts';
import { deviceOfTab, keepToken, sessionOfAddress, setSessionOfAddress, takeToken } from './place.ts';
import { type ListState, SessionList } from './session-list.ts';
import { signInView } from './sign-in.ts';

const titleChars = 60;

/** The whole page: a sidebar of sessions, and the one that is chosen. */
class Page {
  readonly #client: Client;
  readonly #list: SessionList;
  readonly #place = h('div', { class: 'place' });
  readonly #feed: Feed;
  /** Made here and without a title: the first message gives one. */
  readonly #untitled = new Set<string>();
  #view: ConversationView | null = null;
  #state: ListState = { sessions: [], chosen: null, waiting: new Map(), hasMore: false, fault: null };
  #next: string | undefined;
  readonly #fetching = new Set<string>();

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
    this.#feed = this.#client.feed();
    this.#feed.store.subscribe(() => this.#heed());
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
    this.#untitled.add(session.id);
    // The feed may have told of it already.
    const others = this.#state.sessions.filter(({ id }) => id !== session.id);
    this.#change({ sessions: [session, ...others] });
    this.#open(session.id);
  }

  #open(id: string): void {
    setSessionOfAddress(id);
    this.#view?.close();
    const session = this.#client.session(id, { device: deviceOfTab() });
    this.#view = new ConversationView(session, {
      takeOver: () => this.#open(id),
      readAbout: (toolCallId) => this.#client.approvals.get(toolCallId),
    });
    const stop = session.store.subscribe(() => {
      const { connection, messages, title } = session.getSnapshot();
      if (connection.kind === 'stopped' && connection.code === 'unauthorized') {
        stop();
        this.#leave(connection.why);
      }
      if (title === '' || title === null)
        this.#giveTitle(id, messages.find(({ role }) => role === 'user')?.content);
    });
    this.#change({ chosen: id });
    this.#place.replaceChildren(this.#view.element);
  }

  /** A session that was made here is called by what was said first. */
  #giveTitle(id: string, said: string | undefined): void {
    if (said === undefined || !this.#untitled.delete(id)) return;
    const title = said.slice(0, titleChars).toWellFormed();
    this.#try(this.#client.sessions.change(id, { title }).then((session) => this.#replace(session)));
  }

  #replace(session: SessionView): void {
    this.#change({ sessions: this.#state.sessions.map((one) => (one.id === session.id ? session : one)) });
  }

  /** What waits in which session, and sessions that were made, changed or lost, wherever that was. */
  #heed(): void {
    const { approvals, inputs, changes } = this.#feed.getSnapshot();
    const waiting = new Map<string, number>();
    for (const { sessionId } of [...approvals, ...inputs])
      waiting.set(sessionId, (waiting.get(sessionId) ?? 0) + 1);
    let { sessions } = this.#state;
    for (const change of changes) {
      const { session_id: id, title } = change;
      if ('removed' in change && change.removed) sessions = sessions.filter((one) => one.id !== id);
      else if (!sessions.some((one) => one.id === id)) this.#fetch(id);
      else if (title !== undefined)
        sessions = sessions.map((one) => (one.id === id ? { ...one, title } : one));
    }
    this.#change({ sessions, waiting });
  }

  /** A session that this page has not seen: newer than its list, or further down in it. */
  #fetch(id: string): void {
    const newest = this.#state.sessions[0]?.id ?? '';
    if (id < newest || this.#fetching.has(id)) return;
    this.#fetching.add(id);
    const fetched = this.#client.sessions.get(id).then((session) => {
      const others = this.#state.sessions.filter((one) => one.id !== id);
      this.#change({ sessions: [session, ...others] });
    });
    this.#try(fetched);
  }

  #leave(why: string | null): void {
    this.#view?.close();
    this.#feed.close();
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
      else this.#change({ fault: faultText(error) });
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
