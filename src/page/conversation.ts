import { type Message, openTurn, type Session, type SessionSnapshot } from '../client/index.ts';
import { Composer } from './composer.ts';
import { h, setChildren, setText } from './dom.ts';
import { faultText } from './fault-text.ts';
import { GateCards, type ReadAbout } from './gate-cards.ts';
import { Keyed } from './keyed.ts';
import { MessageView } from './message-view.ts';
import { agentText, connectionText, presenceText } from './status-text.ts';

/** Who is this near the end of the log is taken along when something is added. */
const nearEndPixels = 80;
const countdownMs = 500;

/** One session on the screen, for as long as it is chosen. */
export class ConversationView {
  readonly element: HTMLElement;
  readonly #session: Session;
  readonly #title = h('h2');
  readonly #presence = h('span', { class: 'hint' });
  readonly #agent = h('p', { class: 'agent', 'aria-live': 'polite' });
  readonly #banner = h('p', { class: 'banner', role: 'status' });
  readonly #again = h('button', { class: 'plain' });
  readonly #fault = h('p', { class: 'fault', role: 'alert' });
  readonly #log = h('div', { class: 'log', role: 'log', tabindex: '0' });
  readonly #older: HTMLButtonElement;
  readonly #items = h('div', { class: 'items' });
  readonly #queued = h('div', { class: 'items' });
  readonly #composer: Composer;
  readonly #messages = new Keyed<Message, MessageView>(() => new MessageView());
  readonly #cards: GateCards;
  readonly #stop: () => void;
  readonly #countdown: number;

  /** @param deps.takeOver opens the session anew in this tab, after another took its place */
  constructor(session: Session, deps: { takeOver(): void; readAbout: ReadAbout }) {
    this.#session = session;
    this.#cards = new GateCards(session, deps.readAbout, () => this.#show());
    this.#older = h('button', { class: 'plain', click: () => this.#loadOlder() }, 'Older messages');
    this.#composer = new Composer({
      send: (content) => this.#try(session.send(content)),
      stop: () => this.#try(session.cancel()),
      typing: (active) => session.typing(active),
    });
    this.#again.addEventListener('click', () => {
      if (session.getSnapshot().connection.kind === 'stopped') deps.takeOver();
      else session.reconnect();
    });
    this.#log.append(this.#older, this.#items, this.#queued);
    this.element = h(
      'main',
      { class: 'conversation' },
      h('header', {}, this.#title, this.#presence),
      h('div', { class: 'banner-row' }, this.#banner, this.#again),
      this.#log,
      this.#agent,
      this.#fault,
      this.#composer.element,
    );
    this.#stop = session.store.subscribe(() => this.#show());
    this.#countdown = setInterval(() => this.#showConnection(session.getSnapshot()), countdownMs);
    this.#show();
    this.#composer.focus();
  }

  close(): void {
    this.#stop();
    clearInterval(this.#countdown);
    this.#session.close();
  }

  #show(): void {
    const at = this.#session.getSnapshot();
    const isAtEnd = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < nearEndPixels;
    setText(this.#title, at.title || 'Conversation');
    setText(this.#presence, presenceText(at));
    setText(this.#agent, agentText(at));
    this.#showConnection(at);
    this.#older.hidden = at.olderCursor === null;
    setChildren(this.#items, this.#elements(at));
    setChildren(this.#queued, queuedElements(at));
    const isStopped = at.connection.kind === 'stopped';
    this.#composer.show({ isRunning: openTurn(at) !== undefined, isStopped });
    // After the frame in which the text is drawn.
    if (isAtEnd) requestAnimationFrame(() => requestAnimationFrame(() => this.#toEnd()));
  }

  #toEnd(): void {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Messages, each followed by the tool calls it asks for and the questions about them. */
  #elements(at: SessionSnapshot): Element[] {
    const shown = this.#messages.show(at.messages, ({ id }) => id);
    const cards = this.#cards.show(at);
    return at.messages.flatMap(({ id }, index) => {
      const message = shown[index];
      return message === undefined ? [] : [message, ...(cards.get(id) ?? [])];
    });
  }

  #showConnection(at: SessionSnapshot): void {
    const { connection } = at;
    setText(this.#banner, connectionText(at, Date.now()));
    const isTaken = connection.kind === 'stopped' && connection.code === 'replaced';
    this.#again.hidden = connection.kind !== 'waiting' && !isTaken;
    setText(this.#again, isTaken ? 'Continue here' : 'Try now');
    this.element.dataset.connection = connection.kind;
  }

  #loadOlder(): void {
    const before = this.#log.scrollHeight;
    this.#try(this.#session.loadOlder(), () => {
      // What was in view stays in view.
      requestAnimationFrame(() => {
        this.#log.scrollTop += this.#log.scrollHeight - before;
      });
    });
  }

  #try(work: Promise<unknown>, then: () => void = () => undefined): void {
    setText(this.#fault, '');
    work.then(then, (error: unknown) => setText(this.#fault, faultText(error)));
  }
}

/** Messages that are on their way. */
function queuedElements(at: SessionSnapshot): Element[] {
  const shown = new Set(at.messages.map(({ clientMessageId }) => clientMessageId));
  return at.queue.flatMap((item) => {
    if (item.kind !== 'message' || shown.has(item.id)) return [];
    return [
      h(
        'article',
        { class: 'message user', 'data-state': 'sending' },
        h('div', { class: 'body' }, item.content),
      ),
    ];
  });
}
