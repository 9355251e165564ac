import type { ApprovalsPage } from '../protocol/approvals.ts';
import type { FeedFrame } from '../protocol/feed-frames.ts';
import type { InputsPage } from '../protocol/inputs.ts';
import type { AckFrame, LiveFrame } from '../protocol/live-frames.ts';
import { backoffMs } from './after-close.ts';
import type { Access, Api } from './api.ts';
import { rejected, TurngateError, wordsOf } from './errors.ts';
import { EventStream, type Page, type Resync } from './event-stream.ts';
import { applyFeed, emptyFeed, type FeedSnapshot, fromInbox } from './feed-state.ts';
import { type Answer, answerFrame, type Decision, decisionFrame, type SentFrame } from './frames.ts';
import { Link, type RawFrame } from './link.ts';
import { Outbox } from './outbox.ts';
import type { Runtime, StopTimer } from './runtime.ts';
import type { ConnectionState } from './state.ts';
import { Store } from './store.ts';

export interface FeedOptions {
  /** Begin after this item, without reading what waits now. */
  lastSeq?: number;
}

export type FeedEvent = FeedFrame | Resync;

interface ItemsPage {
  items: FeedFrame[];
  last_seq: number;
  next: number | null;
}

const pageItems = 200;
/** Pages of what waits that are read at most. */
const maxInboxPages = 10;

/** What concerns me in all my sessions: what waits for my decision, questions, and changes of sessions. */
export class Feed {
  /** Everything that waits, for a user interface; see FeedSnapshot. */
  readonly store: Pick<Store<FeedSnapshot>, 'getSnapshot' | 'subscribe'>;
  readonly #runtime: Runtime;
  readonly #api: Api;
  readonly #options: FeedOptions;
  readonly #store: Store<FeedSnapshot>;
  readonly #link: Link;
  readonly #outbox: Outbox;
  readonly #abort = new AbortController();
  readonly #streams = new Set<EventStream<FeedFrame>>();
  #stopStart: StopTimer | null = null;
  #isReading = false;

  constructor(runtime: Runtime, deps: { access: Access; api: Api }, options: FeedOptions = {}) {
    this.#runtime = runtime;
    this.#api = deps.api;
    this.#options = options;
    this.#store = new Store(emptyFeed(options.lastSeq), runtime.onListenerError);
    this.store = this.#store;
    this.#link = new Link(runtime, deps.access, {
      path: () => `/v1/feed?last_seq=${this.getSnapshot().lastSeq}`,
      onFrame: (frame) => this.#receive(frame),
      onConnection: (state) => this.#onConnection(state),
      onTooLarge: () => void this.#outbox.dropLargest(),
    });
    this.#outbox = new Outbox(runtime, (frame) => this.#link.send(frame));
    void this.#start(0);
  }

  getSnapshot = (): FeedSnapshot => this.#store.getSnapshot();

  /** Decides a tool call in whichever session it waits, with the hashes of what the snapshot shows. */
  decide(toolCallId: string, decision: Decision): Promise<AckFrame> {
    const waiting = this.getSnapshot().approvals.find((one) => one.toolCallId === toolCallId);
    return this.#send(decisionFrame(toolCallId, decision, this.#runtime.rules.shown(waiting)));
  }

  /** Answers an `input_request` in whichever session it was asked. */
  answer(requestId: string, answer: Answer): Promise<AckFrame> {
    return this.#send(answerFrame(requestId, answer));
  }

  /** Every item once and in order, from now on; ends with `close()`. */
  events(): EventStream<FeedFrame> {
    const stream = new EventStream<FeedFrame>({
      seq: this.getSnapshot().lastSeq,
      readAfter: (seq) => this.#itemsAfter(seq),
      onReturn: () => this.#streams.delete(stream),
    });
    if (this.#abort.signal.aborted) stream.end();
    else this.#streams.add(stream);
    return stream;
  }

  /** Connects now instead of waiting. */
  reconnect(): void {
    const { connection, isLoaded } = this.getSnapshot();
    if (connection.kind !== 'waiting') return;
    if (isLoaded) this.#link.connect();
    else void this.#start(0);
  }

  close(): void {
    this.#link.stop({ kind: 'stopped', code: 'closed', why: 'It was closed.' });
  }

  #send(frame: SentFrame): Promise<AckFrame> {
    if (this.#abort.signal.aborted) return rejected(new TurngateError('closed', 'The feed was closed.'));
    return this.#outbox.add(frame);
  }

  /** Reads what waits now, unless it is known, until that succeeds; then connects. Never rejects. */
  async #start(failures: number): Promise<void> {
    this.#stopStart?.();
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      if (this.#options.lastSeq === undefined || this.getSnapshot().isLoaded) await this.#readInbox();
      else this.#set({ ...this.getSnapshot(), isLoaded: true });
      this.#isReading = false;
      if (!this.#abort.signal.aborted) this.#link.connect();
    } catch (error) {
      this.#isReading = false;
      if (!this.#abort.signal.aborted) this.#startAgain(error, failures);
    }
  }

  #startAgain(error: unknown, failures: number): void {
    const why = wordsOf(error);
    if (error instanceof TurngateError && (error.code === 'unauthorized' || error.code === 'forbidden')) {
      this.#link.stop({ kind: 'stopped', code: error.code, why });
      return;
    }
    const { clock, random } = this.#runtime;
    const delayMs = backoffMs(failures, random);
    this.#onConnection({ kind: 'waiting', why, until: clock.now() + delayMs });
    this.#stopStart = clock.after(delayMs, () => void this.#start(failures + 1), { keepsAlive: true });
  }

  /** The first page says where the feed was; what changes while others are read, the feed tells (again). */
  async #readInbox(): Promise<void> {
    const questions = await this.#readAll('/v1/inputs', (page: InputsPage) => page.inputs);
    const calls = await this.#readAll('/v1/approvals', (page: ApprovalsPage) => page.approvals);
    const { lastSeq } = questions;
    this.#set(fromInbox(this.getSnapshot(), { approvals: calls.all, inputs: questions.all }, lastSeq));
    for (const stream of this.#streams) {
      if (this.#options.lastSeq === undefined) stream.startAt(lastSeq);
    }
  }

  async #readAll<P extends { last_seq: number; next: string | null }, T>(
    path: string,
    itemsOf: (page: P) => T[],
  ): Promise<{ all: T[]; lastSeq: number }> {
    const { signal } = this.#abort;
    const query = `${path}?status=pending&limit=${pageItems}`;
    const first = await this.#api.get<P>(query, signal);
    const all = itemsOf(first);
    let { next } = first;
    for (let pages = 1; next !== null && pages < maxInboxPages; pages += 1) {
      const page = await this.#api.get<P>(`${query}&before=${encodeURIComponent(next)}`, signal);
      all.push(...itemsOf(page));
      next = page.next;
    }
    return { all, lastSeq: first.last_seq };
  }

  #receive(raw: RawFrame): void {
    const frame = raw as unknown as FeedFrame | LiveFrame;
    if (this.#isReading) return;
    if (frame.type === 'ack') this.#outbox.onAck(frame);
    else if (frame.type === 'error') this.#outbox.onError(frame.id, frame.code, frame.error);
    else if (frame.type === 'resync') this.#resync(frame);
    else if ('session_seq' in frame) this.#receiveItem(frame);
    else if (frame.type === 'cursor') this.#cursor(frame.seq);
  }

  #cursor(seq: number): void {
    const { lastSeq } = this.getSnapshot();
    this.#set({ ...this.getSnapshot(), lastSeq: this.#runtime.rules.cursor(lastSeq, seq) });
  }

  #receiveItem(item: FeedFrame): void {
    const order = this.#runtime.rules.order(this.getSnapshot().lastSeq, item.seq);
    // A connection from its beginning tells what is missing.
    if (order === 'gap') this.#link.retry('it goes on from what is known');
    if (order !== 'next') return;
    this.#set(applyFeed(this.getSnapshot(), item));
    for (const stream of this.#streams) stream.push(item);
  }

  #resync(frame: Resync): void {
    for (const stream of this.#streams) stream.push(frame);
    void this.#start(0);
  }

  #onConnection(connection: ConnectionState): void {
    this.#set({ ...this.getSnapshot(), connection });
    if (connection.kind === 'open') this.#outbox.onOpen();
    if (connection.kind !== 'stopped') return;
    this.#abort.abort();
    this.#stopStart?.();
    this.#outbox.clear(new TurngateError('closed', connection.why));
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }

  #set(snapshot: FeedSnapshot): void {
    this.#store.set(snapshot);
  }

  async #itemsAfter(seq: number): Promise<Page<FeedFrame>> {
    const path = `/v1/feed?after=${seq}&limit=${pageItems}`;
    const { items, last_seq, next } = await this.#api.get<ItemsPage>(path, this.#abort.signal);
    return { events: items, upTo: next ?? Math.max(last_seq, items.at(-1)?.seq ?? 0) };
  }
}
