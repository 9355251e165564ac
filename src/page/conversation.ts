import {
  type Message,
  openTurn,
  type Session,
  type SessionSnapshot,
  TurngateError,
} from '../client/index.ts';
import { Composer } from './composer.ts';
import { h, setChildren, setText } from './dom.ts';
import { Keyed } from './keyed.ts';
import { MessageView } from './message-view.ts';
import { agentText, connectionText, presenceText } from './status-text.ts';
import { ToolCard, type ToolState } from './tool-card.ts';

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
  readonly #tools: Keyed<ToolState, ToolCard>;
  readonly #toolStates = new Map<string, ToolState>();
  readonly #decisionFaults = new Map<string, string>();
  readonly #stop: () => void;
  readonly #countdown: number;

  /** @param onTakeOver opens the session anew in this tab, after another took its place */
  constructor(session: Session, onTakeOver: () => void) {
    this.#session = session;
    this.#tools = new Keyed<ToolState, ToolCard>(
      () => new ToolCard((...decision) => this.#decide(...decision)),
    );
    this.#older = h('button', { class: 'plain', click: () => this.#loadOlder() }, 'Older messages');
    this.#composer = new Composer({
      send: (content) => this.#try(session.send(content)),
      stop: () => this.#try(session.cancel()),
      typing: (active) => session.typing(active),
    });
    this.#again.addEventListener('click', () => {
      if (session.getSnapshot().connection.kind === 'stopped') onTakeOver();
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

  /** Messages, each followed by the tool calls it asks for. */
  #elements(at: SessionSnapshot): Element[] {
    const shown = this.#messages.show(at.messages, ({ id }) => id);
    const calls = at.messages.flatMap(({ toolCallIds }) =>
      toolCallIds.flatMap((id) => this.#toolState(at, id)),
    );
    const cards = this.#tools.show(calls, ({ call }) => call.id);
    const cardOf = new Map(calls.map(({ call }, index) => [call.id, cards[index]]));
    return at.messages.flatMap((message, index) => {
      const own = message.toolCallIds.map((id) => cardOf.get(id));
      return [shown[index], ...own].filter((element) => element !== undefined);
    });
  }

  /** The same object while nothing of it has changed. */
  #toolState(at: SessionSnapshot, id: string): ToolState[] {
    const call = at.toolCalls[id];
    if (!call) return [];
    const isDeciding = at.queue.some((item) => item.kind === 'decision' && item.toolCallId === id);
    const fault = this.#decisionFaults.get(id) ?? null;
    const known = this.#toolStates.get(id);
    if (known?.call === call && known.isDeciding === isDeciding && known.fault === fault) return [known];
    const state = { call, isDeciding, fault };
    this.#toolStates.set(id, state);
    return [state];
  }

  #showConnection(at: SessionSnapshot): void {
    const { connection } = at;
    setText(this.#banner, connectionText(at, Date.now()));
    const isTaken = connection.kind === 'stopped' && connection.code === 'replaced';
    this.#again.hidden = connection.kind !== 'waiting' && !isTaken;
    setText(this.#again, isTaken ? 'Continue here' : 'Try now');
    this.element.dataset.connection = connection.kind;
  }

  #decide(toolCallId: string, approved: boolean, reason: string): void {
    this.#decisionFaults.delete(toolCallId);
    const why = reason === '' ? {} : { reason };
    this.#session.decide(toolCallId, { approved, ...why }).then(
      (ack) => {
        if (ack.disposition !== 'conflict') return;
        this.#note(toolCallId, `Somebody was quicker: ${ack.decision?.decision} by ${ack.decision?.by}.`);
      },
      (error: unknown) => this.#note(toolCallId, messageOf(error)),
    );
  }

  #note(toolCallId: string, words: string): void {
    this.#decisionFaults.set(toolCallId, words);
    this.#show();
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
    work.then(then, (error: unknown) => setText(this.#fault, messageOf(error)));
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

function messageOf(error: unknown): string {
  if (error instanceof TurngateError && error.code === 'closed') return '';
  return error instanceof Error ? error.message : String(error);
}
