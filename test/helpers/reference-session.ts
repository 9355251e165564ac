import type { MessagesPage, MessageView, SessionView } from '../../src/protocol/http.ts';
import type { EventBody, EventFrame, EventType } from '../../src/protocol/server-frames.ts';
import { ReferenceGate } from './reference-gate.ts';

export interface Said {
  content: string;
  thought: string;
}
export interface OpenStream extends Said {
  id: string;
  turnId: string;
  attempt: number;
}
export interface StoredEvent {
  frame: EventFrame;
  /** For somebody else: this client gets a cursor instead. */
  isHidden: boolean;
}
interface Stored {
  view: MessageView;
  turnId: string;
}

const at = 1_700_000_000_000;

/** What a session is, said as simply as possible: the truth that a client's snapshot is compared with. */
export class ReferenceSession {
  readonly id = 'session';
  readonly events: StoredEvent[] = [];
  /** Events before this one are gone. */
  firstKept = 1;
  stream: OpenStream | null = null;
  /** All that was ever said, by message and attempt. */
  readonly said = new Map<string, Map<number, Said>>();
  readonly removed = new Set<string>();
  /** Ids of clients' messages, in the order in which they were taken. */
  readonly accepted: string[] = [];
  #messages: Stored[] = [];
  #turns: { id: string; isOpen: boolean; isStarted: boolean }[] = [];
  #count = 0;
  readonly gate = new ReferenceGate((type, body, turnId) => this.#append(type, body, turnId));

  get lastSeq(): number {
    return this.events.length;
  }

  /** What waits for its end or runs. */
  get turn(): { id: string; isStarted: boolean } | undefined {
    return this.#turns.find((turn) => turn.isOpen);
  }

  ask(content: string, clientMessageId: string): string {
    const [turnId, id] = [this.#name('turn'), this.#name('question')];
    this.accepted.push(clientMessageId);
    this.#turns.push({ id: turnId, isOpen: true, isStarted: false });
    const view = {
      id,
      turn_id: turnId,
      role: 'user',
      content,
      client_message_id: clientMessageId,
      ts: at,
    } as const;
    this.#store(view);
    const body = {
      message_id: id,
      role: 'user' as const,
      content,
      attachments: [],
      client_message_id: clientMessageId,
    };
    this.#append('message_saved', body, turnId);
    return turnId;
  }

  /** Begins to say something in the first open turn. */
  start(): void {
    const turn = this.#turns.find((one) => one.isOpen);
    if (!turn || this.stream || this.gate.hasOpen(turn.id)) return;
    if (!turn.isStarted) this.#append('turn_started', { workflow_id: 'w', run_id: 'r' }, turn.id);
    turn.isStarted = true;
    this.stream = { id: this.#name('answer'), turnId: turn.id, attempt: 1, content: '', thought: '' };
    this.#remember();
    this.#append('stream_start', { message_id: this.stream.id, attempt: 1 }, turn.id);
  }

  /** @returns the delta, null where nothing is being said */
  say(channel: keyof Said, delta: string) {
    const { stream } = this;
    if (!stream) return null;
    const offset = stream[channel].length;
    stream[channel] += delta;
    this.#remember();
    const type = channel === 'content' ? ('stream_delta' as const) : ('thought_delta' as const);
    return { type, message_id: stream.id, attempt: stream.attempt, offset, delta };
  }

  /** The next attempt at the same message; or, where there is none, what was said is void. */
  reset(hasNext: boolean): void {
    const { stream } = this;
    if (!stream) return;
    if (hasNext) {
      this.stream = { ...stream, attempt: stream.attempt + 1, content: '', thought: '' };
      this.#remember();
      this.#append('stream_reset', { message_id: stream.id, attempt: stream.attempt + 1 }, stream.turnId);
    } else {
      this.stream = null;
      this.removed.add(stream.id);
      this.#append('stream_reset', { message_id: stream.id }, stream.turnId);
    }
  }

  /** Ends the message, with a tool call that waits for an approval or without. */
  end(hasCall: boolean, needed = 1): void {
    const { stream } = this;
    if (!stream) return;
    const { id, turnId, content, thought } = stream;
    this.stream = null;
    const call = this.#name('call');
    const common = { tool_call_id: call, tool: 'a.b', arguments: { n: 1 }, reason: 'why' } as const;
    const calls = hasCall ? [{ ...common, gate: 'ask' as const, status: 'waiting' }] : [];
    const spoken = thought === '' ? {} : { thought };
    const view = { id, turn_id: turnId, role: 'assistant', content, ...spoken, ts: at } as const;
    this.#store(hasCall ? { ...view, tool_calls: calls } : view);
    const ended = { message_id: id, content, finish_reason: 'stop', usage: null, ...spoken };
    this.#append('stream_end', ended, turnId);
    if (!hasCall) return;
    this.gate.propose({ id: call, turnId, messageId: id, needed });
  }

  /** Runs the oldest open call, and keeps what it did. */
  runTool(): void {
    const call = this.gate.run();
    if (!call) return;
    const { id, turnId } = call;
    const result = { id: `${id}-result`, turn_id: turnId, role: 'tool', tool_call_id: id, ts: at } as const;
    this.#store({ ...result, content: 'done' });
  }

  /** Somebody has to be asked something. */
  question(): void {
    const turn = this.turn;
    if (turn?.isStarted) this.gate.question(this.#name('input'), turn.id);
  }

  endTurn(): void {
    const turn = this.#turns.find((one) => one.isOpen);
    if (!turn || this.stream || this.gate.hasOpen(turn.id)) return;
    turn.isOpen = false;
    this.gate.resolveQuestions(turn.id);
    this.#append('turn_end', { status: 'completed', usage: null }, turn.id);
  }

  /** A rollback of the last turn, where it is over: its messages are removed. */
  rollBack(): void {
    const turn = this.#turns.at(-1);
    if (!turn || turn.isOpen) return;
    const removed = this.#messages.filter((message) => message.turnId === turn.id).map(({ view }) => view.id);
    if (removed.length === 0) return;
    this.#messages = this.#messages.filter((message) => message.turnId !== turn.id);
    for (const id of removed) this.removed.add(id);
    this.#append('messages_removed', { message_ids: removed }, turn.id);
  }

  rename(title: string): void {
    this.#append('session_updated', { title });
  }

  /** Something that is not for this client. */
  hide(): void {
    this.#append('external_event', { event_id: this.#name('event'), event_type: 't', event_data: null });
    const last = this.events.at(-1);
    if (last) last.isHidden = true;
  }

  /** Takes old events away, but none of a turn that is open. */
  forget(): void {
    const open = this.turn?.id;
    const first = this.events.findIndex(({ frame }) => frame.turn_id === open && open !== undefined);
    const most = first < 0 ? this.lastSeq + 1 : first + 1;
    this.firstKept = Math.max(this.firstKept, most);
  }

  after(seq: number): StoredEvent[] {
    return this.events.slice(Math.max(seq, this.firstKept - 1));
  }

  sessionView(): SessionView {
    const title = this.events.findLast(({ frame }) => frame.type === 'session_updated')?.frame;
    return {
      id: this.id,
      title: title?.type === 'session_updated' ? (title.title ?? '') : '',
      agent: 'default',
      state: 'active',
      last_seq: this.lastSeq,
      created_at: at,
      updated_at: at,
    };
  }

  /** All messages in the order of turns; `before` counts from the first. */
  page(limit: number, before: number | null): MessagesPage {
    const order = new Map(this.#turns.map((turn, index) => [turn.id, index]));
    const place = (message: Stored) => order.get(message.turnId) ?? 0;
    const all = this.#messages.toSorted((one, other) => place(one) - place(other)).map(({ view }) => view);
    const end = before ?? all.length;
    const from = Math.max(0, end - limit);
    const messages: MessageView[] = JSON.parse(JSON.stringify(all.slice(from, end)));
    const statusOf = new Map(this.gate.calls.map(({ id, status }) => [id, status]));
    for (const call of messages.flatMap((message) => message.tool_calls ?? [])) {
      call.status = statusOf.get(call.tool_call_id) ?? call.status;
    }
    return { messages, last_seq: this.lastSeq, next: from > 0 ? String(from) : null };
  }

  #store(view: MessageView): void {
    this.#messages.push({ view, turnId: view.turn_id });
  }

  #remember(): void {
    const { stream } = this;
    if (!stream) return;
    const attempts = this.said.get(stream.id) ?? new Map<number, Said>();
    attempts.set(stream.attempt, { content: stream.content, thought: stream.thought });
    this.said.set(stream.id, attempts);
  }

  #append<T extends EventType>(type: T, body: EventBody<T>, turnId?: string): void {
    const head = { type, seq: this.lastSeq + 1, session_id: this.id, ts: at };
    const frame = { ...head, ...(turnId === undefined ? {} : { turn_id: turnId }), ...body };
    this.events.push({ frame: frame as unknown as EventFrame, isHidden: false });
  }

  #name(what: string): string {
    this.#count += 1;
    return `${what}-${this.#count}`;
  }
}
