import type { AckFrame } from '../protocol/live-frames.ts';
import type { EventFrame, ServerFrame } from '../protocol/server-frames.ts';
import { backoffMs } from './after-close.ts';
import type { Access, Api } from './api.ts';
import { acknowledge, enqueue, isEvent, startKnown, unqueue } from './apply.ts';
import { rejected, TurngateError, unwatched, wordsOf } from './errors.ts';
import { EventStream } from './event-stream.ts';
import {
  type Answer,
  answerFrame,
  type Decision,
  decisionFrame,
  messageFrame,
  type SendOptions,
  type SentFrame,
} from './frames.ts';
import { prependPage } from './history.ts';
import { Link, type RawFrame } from './link.ts';
import { Loader } from './loader.ts';
import { Outbox } from './outbox.ts';
import { type Runtime, randomId, type StopTimer } from './runtime.ts';
import type { SessionOptions } from './session-options.ts';
import { type ConnectionState, openTurn, type QueuedItem, type SessionSnapshot } from './state.ts';
import { Store } from './store.ts';
import { Sync } from './sync.ts';

type ItemOf<T> = T extends QueuedItem ? Omit<T, 'id' | 'status'> : never;

const usualPageMessages = 50;
/** How often `received` is said, at most. */
const receivedEveryMs = 2_000;

/**
 * One session: connects and reconnects by itself, shows text exactly, applies each event once and in order, and sends
 * what it is given until it is answered. Promises reject with a TurngateError; nothing else is ever thrown.
 */
export class Session {
  readonly id: string;
  /** Everything that a user interface shows; see SessionSnapshot. */
  readonly store: Pick<Store<SessionSnapshot>, 'getSnapshot' | 'subscribe'>;
  readonly #runtime: Runtime;
  readonly #options: SessionOptions;
  readonly #store: Store<SessionSnapshot>;
  readonly #sync: Sync;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #loader: Loader;
  readonly #abort = new AbortController();
  readonly #frameListeners = new Set<(frame: ServerFrame) => void>();
  readonly #streams = new Set<EventStream<EventFrame>>();
  #stopReceived: StopTimer | null = null;
  #stopStart: StopTimer | null = null;
  #older: Promise<boolean> | null = null;
  /** Only grows, whatever the clock does. */
  #dialledAt = 0;

  constructor(
    runtime: Runtime,
    deps: { access: Access; api: Api },
    id: string,
    options: SessionOptions = {},
  ) {
    this.id = id;
    this.#runtime = runtime;
    this.#options = options;
    const hasStarts = options.events?.includes('stream_start') ?? true;
    const known = startKnown(id, options.lastSeq, hasStarts);
    this.#store = new Store(known.view, runtime.onListenerError);
    this.store = this.#store;
    this.#loader = new Loader(deps.api, id, options.pageMessages ?? usualPageMessages);
    this.#sync = new Sync(
      runtime,
      {
        load: () => this.#loader.load(this.#abort.signal),
        resume: (lastSeq) => void this.#link.send({ type: 'resume', last_seq: lastSeq }),
        reconnect: () => this.#link.retry('it goes on from what is known'),
        onChange: (view) => this.#store.set(view),
        onReloaded: (reason, lastSeq) => this.#announce({ type: 'resync', reason, last_seq: lastSeq }),
      },
      known,
    );
    this.#link = new Link(runtime, deps.access, {
      path: () => this.#path(),
      onFrame: (frame) => this.#receive(frame),
      onConnection: (state) => this.#onConnection(state),
      onTooLarge: () => this.#unqueue(this.#outbox.dropLargest()),
    });
    this.#outbox = new Outbox(runtime, (frame) => this.#link.send(frame));
    void this.#start(0);
  }

  getSnapshot = (): SessionSnapshot => this.#store.getSnapshot();

  /** Sends a message, now or when there is a connection. Resolves once it is committed. */
  send(content: string, options: SendOptions = {}): Promise<AckFrame> {
    return this.#send(messageFrame(content, options), { kind: 'message', content });
  }

  /**
   * Decides a tool call, with the hashes of what the snapshot shows. `disposition` `conflict`: another decision stands,
   * which the ack names. Where several are needed, the ack says how many approved.
   */
  decide(toolCallId: string, decision: Decision): Promise<AckFrame> {
    const approval = this.getSnapshot().toolCalls[toolCallId]?.approval ?? null;
    const frame = decisionFrame(toolCallId, decision, this.#runtime.rules.shown(approval));
    const { approved } = decision;
    return this.#send(frame, { kind: 'decision', toolCallId, approved, round: approval?.round ?? null });
  }

  /** Answers an `input_request`. `disposition` `conflict`: another answer stands, which the ack names. */
  answer(requestId: string, answer: Answer): Promise<AckFrame> {
    return this.#send(answerFrame(requestId, answer), { kind: 'answer', requestId });
  }

  /** Stops a turn, by default the one that runs; what was said so far stays. */
  cancel(turnId = openTurn(this.getSnapshot())?.id): Promise<AckFrame> {
    // Named, so that sent again it cannot stop the turn after it.
    if (turnId === undefined) {
      return rejected(new TurngateError('not_found', 'Nothing runs that could be stopped.'));
    }
    return this.#send({ type: 'cancel', id: randomId(), turn_id: turnId }, { kind: 'cancel' });
  }

  /** Tells the session's other connections that somebody writes. Without a connection, nothing. */
  typing(active: boolean): void {
    this.#link.send({ type: 'typing', active });
  }

  /** Every event once and in order, from now on; slow readers are waited for, in bounded memory. Ends with `close()`. */
  events(): EventStream<EventFrame> {
    const stream = new EventStream<EventFrame>({
      seq: this.getSnapshot().lastSeq,
      readAfter: (seq) => this.#loader.events(seq, this.#abort.signal, this.#options.events),
      onReturn: () => this.#streams.delete(stream),
    });
    if (this.#abort.signal.aborted) stream.end();
    else this.#streams.add(stream);
    return stream;
  }

  /** Each frame that counted, after the snapshot shows it: events once and in order, text at its place. */
  onFrame(listener: (frame: ServerFrame) => void): () => void {
    const entry = (frame: ServerFrame) => listener(frame);
    this.#frameListeners.add(entry);
    return () => this.#frameListeners.delete(entry);
  }

  /** Reads the page of messages before those that are here. Resolves to whether there are more. */
  loadOlder(): Promise<boolean> {
    this.#older ??= unwatched(
      this.#readOlder().finally(() => {
        this.#older = null;
      }),
    );
    return this.#older;
  }

  /** Connects now instead of waiting, for example when a browser says that it is online. */
  reconnect(): void {
    if (this.getSnapshot().connection.kind !== 'waiting') return;
    if (this.getSnapshot().isLoaded) this.#link.connect();
    else void this.#start(0);
  }

  /** Ends the session here; what waits for an answer rejects with `closed`. */
  close(): void {
    this.#link.stop({ kind: 'stopped', code: 'closed', why: 'The session was closed here.' });
  }

  #path(): string {
    const { device, events } = this.#options;
    const query = new URLSearchParams({ last_seq: String(this.#sync.resumeFrom) });
    if (device !== undefined) {
      query.set('device', device);
      // A connection that was given up may reach the gateway after the one that took its place.
      this.#dialledAt = Math.max(this.#runtime.clock.now(), this.#dialledAt + 1);
      query.set('dialled_at', String(this.#dialledAt));
    }
    if (events !== undefined) query.set('events', events.join(','));
    return `/v1/sessions/${encodeURIComponent(this.id)}/ws?${query}`;
  }

  /** Reads the history where one is wanted, until that succeeds; then connects. Never rejects. */
  async #start(failures: number): Promise<void> {
    this.#stopStart?.();
    const { signal } = this.#abort;
    try {
      if (this.#options.lastSeq === undefined) {
        this.#onConnection({ kind: 'connecting' });
        const known = await this.#loader.load(signal);
        if (this.getSnapshot().isLoaded) return;
        this.#sync.replace(known);
        for (const stream of this.#streams) stream.startAt(known.view.lastSeq);
      } else this.#sync.change((view) => ({ ...view, isLoaded: true }));
      if (!signal.aborted) this.#link.connect();
    } catch (error) {
      if (!signal.aborted) this.#startAgain(error, failures);
    }
  }

  #startAgain(error: unknown, failures: number): void {
    const code = error instanceof TurngateError ? error.code : 'network';
    if (code === 'unauthorized' || code === 'forbidden' || code === 'not_found') {
      this.#link.stop({ kind: 'stopped', code, why: wordsOf(error) });
    } else if (code === 'validation_error') {
      this.#link.stop({ kind: 'stopped', code: 'refused', why: wordsOf(error) });
    } else {
      const { clock, random } = this.#runtime;
      const delayMs = backoffMs(failures, random);
      this.#onConnection({ kind: 'waiting', why: wordsOf(error), until: clock.now() + delayMs });
      this.#stopStart = clock.after(delayMs, () => void this.#start(failures + 1), { keepsAlive: true });
    }
  }

  #send(frame: SentFrame, what: ItemOf<QueuedItem>): Promise<AckFrame> {
    if (this.#abort.signal.aborted)
      return rejected(new TurngateError('closed', 'The session was closed before.'));
    const { queue } = this.getSnapshot();
    // First: an answer may come before `add` is back.
    if (!queue.some((item) => item.id === frame.id)) {
      this.#sync.change((view) => enqueue(view, { ...what, id: frame.id, status: 'sending' }));
    }
    const answer = this.#outbox.add(frame);
    answer.catch(() => this.#unqueue(frame.id));
    return answer;
  }

  #receive(raw: RawFrame): void {
    const frame = raw as unknown as ServerFrame;
    try {
      if (frame.type === 'ack') this.#onAck(frame);
      else if (frame.type === 'error') {
        if (frame.id !== undefined && !this.#outbox.onError(frame.id, frame.code, frame.error)) return;
      } else if (!this.#sync.take(frame) || frame.type === 'resync') return;
    } catch (error) {
      // A frame that is not what the protocol says: told, and left out for good.
      this.#runtime.onListenerError(error);
      if (isEvent(frame)) this.#sync.change((view) => ({ ...view, lastSeq: frame.seq }));
      return;
    }
    this.#announce(frame);
  }

  #onAck(ack: AckFrame): void {
    const { id } = ack;
    if (id !== undefined && this.#outbox.onAck(ack)) this.#sync.change((view) => acknowledge(view, id, ack));
  }

  #announce(frame: ServerFrame): void {
    const isOfSession = isEvent(frame);
    if (isOfSession) this.#receivedSoon();
    if (isOfSession || frame.type === 'resync') for (const stream of this.#streams) stream.push(frame);
    for (const listener of [...this.#frameListeners]) {
      try {
        listener(frame);
      } catch (error) {
        this.#runtime.onListenerError(error);
      }
    }
  }

  #onConnection(connection: ConnectionState): void {
    this.#sync.change((view) => ({ ...view, connection }));
    if (connection.kind === 'open') this.#outbox.onOpen();
    if (connection.kind === 'stopped') this.#end(connection.why);
  }

  #end(why: string): void {
    this.#abort.abort();
    this.#stopReceived?.();
    this.#stopStart?.();
    this.#sync.close();
    for (const id of this.#outbox.clear(new TurngateError('closed', why))) this.#unqueue(id);
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  #unqueue(id: string | null): void {
    if (id !== null) this.#sync.change((view) => unqueue(view, id));
  }

  /** Says how far it has come, now and then; kept for each device. */
  #receivedSoon(): void {
    if (this.#options.device === undefined || this.#stopReceived) return;
    this.#stopReceived = this.#runtime.clock.after(receivedEveryMs, () => {
      this.#stopReceived = null;
      this.#link.send({ type: 'received', seq: this.getSnapshot().lastSeq });
    });
  }

  async #readOlder(): Promise<boolean> {
    const before = this.getSnapshot().olderCursor;
    if (before === null) return false;
    const page = await this.#loader.older(before, this.#abort.signal);
    // A reload in between began anew.
    if (this.getSnapshot().olderCursor === before) this.#sync.change((view) => prependPage(view, page));
    return this.getSnapshot().olderCursor !== null;
  }
}
