import type { LiveFrame } from '../protocol/live-frames.ts';
import { type EventFrame, isEventFrame, type ServerFrame } from '../protocol/server-frames.ts';
import { socketIoErrorTypes } from '../protocol/socket-io-events.ts';
import type { NamedCall } from '../store/open-calls.ts';
import type { Emission } from './socket-io-emission.ts';
import { SocketIoText } from './socket-io-text.ts';

/** Calls of open turns whose names are kept; beyond it the oldest are forgotten. */
const maxCalls = 256;
/** Emissions that wait behind a last chunk; who asks stops giving then. */
const maxHeld = 64;

/**
 * Turns the frames that one connection gets of one session into Socket.IO events. Pure: what time it is it is told, and
 * whoever uses it calls {@link flush} at {@link dueAt}.
 */
export class SocketIoTranslator {
  readonly #sessionId: string;
  readonly #calls = new Map<string, NamedCall>();
  /** Everything up to here was taken; and what the last emission said of that. */
  #seq = 0;
  #saidSeq = 0;
  #text: SocketIoText | null = null;
  /** Behind the last chunk of a message, which came sooner after the one before than chunks may. */
  #held: Emission[] = [];
  #heldUntil: number | null = null;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  /** When something is to be flushed, in the clock of `now`; null when nothing waits. */
  get dueAt(): number | null {
    if (this.#heldUntil !== null) return this.#heldUntil;
    return this.#text?.isDirty ? this.#text.dueAt : null;
  }

  get isHolding(): boolean {
    return this.#heldUntil !== null;
  }

  get isHoldingMuch(): boolean {
    return this.#held.length > maxHeld;
  }

  /** Tells of calls that were asked for before delivery begins. */
  know(calls: NamedCall[]): void {
    for (const call of calls) this.#learn(call);
  }

  take(frame: ServerFrame, now: number, timestamp: number): Emission[] {
    const said = this.#reaching(
      isEventFrame(frame) ? this.#event(frame, now) : this.#live(frame, timestamp),
      'seq' in frame ? frame.seq : 0,
    );
    if (this.#heldUntil === null) return [...said, ...this.#fresh(now, timestamp)];
    this.#held.push(...said);
    return this.flush(now, timestamp);
  }

  /** What has become due. */
  flush(now: number, timestamp: number): Emission[] {
    if (this.#heldUntil !== null && now < this.#heldUntil) return [];
    const held = this.#held;
    this.#held = [];
    this.#heldUntil = null;
    return [...held, ...this.#fresh(now, timestamp)];
  }

  #fresh(now: number, timestamp: number): Emission[] {
    const text = this.#text;
    return text?.isDirty && now >= text.dueAt ? this.#reaching(text.chunks(now, timestamp)) : [];
  }

  /** The last of them says how far its session has come, because only with it all of that has been said. */
  #reaching(emissions: Emission[], seq = 0): Emission[] {
    this.#seq = Math.max(this.#seq, seq);
    const last = emissions.at(-1);
    if (!last || this.#saidSeq >= this.#seq) return emissions;
    this.#saidSeq = this.#seq;
    return [...emissions.slice(0, -1), { ...last, reaches: this.#seq }];
  }

  #event(frame: EventFrame, now: number): Emission[] {
    const { seq, session_id, ts: timestamp, turn_id } = frame;
    const turn = turn_id === undefined ? {} : { turn_id };
    const said = { session_id, ...turn, seq, timestamp };
    switch (frame.type) {
      case 'stream_start':
        this.#text = this.#open(frame, true);
        return [];
      case 'stream_reset':
        this.#reset(frame);
        return [];
      case 'stream_end':
        return this.#end(frame, now);
      case 'tool_call': {
        const { tool_call_id: toolCallId, tool, arguments: args } = frame;
        this.#learn({ toolCallId, tool, arguments: args });
        return [{ event: 'tool_call', payload: untyped(frame) }];
      }
      case 'tool_started': {
        const call = this.#calls.get(frame.tool_call_id);
        const named = { tool_name: call?.tool ?? 'unknown', tool_args: call?.arguments ?? null };
        const payload = { ...said, id: frame.tool_call_id, ...named, attempt: frame.attempt };
        return [{ event: 'tool_call_start', payload }];
      }
      case 'tool_result':
        return this.#result(frame, said);
      case 'turn_end': {
        this.#calls.clear();
        const { status, error, usage } = frame;
        const payload = { ...said, id: turn_id ?? session_id, status, usage, ...(error ? { error } : {}) };
        const failure: Emission[] = error ? [this.#failed(error, timestamp)] : [];
        const last = this.#finish((text) => text.chunks(now, timestamp), now);
        return [...last, ...failure, { event: 'conversation_complete', payload }];
      }
      default:
        return [{ event: frame.type, payload: untyped(frame) } as Emission];
    }
  }

  #result(
    frame: Extract<EventFrame, { type: 'tool_result' }>,
    said: { session_id: string; turn_id?: string; seq: number; timestamp: number },
  ): Emission[] {
    const { tool_call_id: id, status, result, error } = frame;
    const tool_name = this.#calls.get(id)?.tool ?? 'unknown';
    this.#calls.delete(id);
    const emissions: Emission[] = [];
    if (error) {
      const payload = { ...said, id, error: error.code, message: error.message };
      emissions.push({ event: 'tool_error', payload });
    }
    const payload = { ...said, id, tool_name, tool_result: result, status, error };
    emissions.push({ event: 'tool_call_result', payload });
    return emissions;
  }

  #open(
    frame: { message_id: string; attempt: number; turn_id?: string | undefined },
    isNew = false,
  ): SocketIoText {
    const { message_id: messageId, attempt, turn_id: turnId } = frame;
    return new SocketIoText({ sessionId: this.#sessionId, messageId, attempt, turnId, isNew });
  }

  /** The text begins anew, or goes: what was shown is replaced by nothing. */
  #reset(frame: Extract<EventFrame, { type: 'stream_reset' }>): void {
    const attempt = frame.attempt ?? Number.POSITIVE_INFINITY;
    if (this.#text?.messageId !== frame.message_id) {
      this.#text = this.#open({ ...frame, attempt });
    } else this.#text.replace(attempt, { text: '', thought: '' });
  }

  #end(frame: Extract<EventFrame, { type: 'stream_end' }>, now: number): Emission[] {
    if (this.#text?.messageId !== frame.message_id) {
      this.#text = this.#open({ ...frame, attempt: Number.POSITIVE_INFINITY });
    }
    return this.#finish((text) => text.end(frame, now), now);
  }

  /** The last chunk of a message waits its turn, and what follows waits behind it. */
  #finish(chunksOf: (text: SocketIoText) => Emission[], now: number): Emission[] {
    const text = this.#text;
    if (!text) return [];
    const dueAt = text.dueAt;
    const chunks = chunksOf(text);
    this.#text = null;
    if (chunks.length > 0 && now < dueAt) this.#heldUntil ??= dueAt;
    return chunks;
  }

  #live(frame: LiveFrame, timestamp: number): Emission[] {
    const session_id = this.#sessionId;
    switch (frame.type) {
      case 'welcome': {
        const { last_seq, received_seq } = frame;
        const received = received_seq === undefined ? {} : { received_seq };
        return [{ event: 'session_joined', payload: { session_id, last_seq, ...received, timestamp } }];
      }
      case 'stream_delta':
      case 'thought_delta':
        // Who begins after a stream's start learns of it by its first delta.
        if (this.#text?.messageId !== frame.message_id && frame.offset === 0) this.#text = this.#open(frame);
        if (this.#text?.messageId === frame.message_id) this.#text.add(frame);
        return [];
      case 'stream_snapshot': {
        if (this.#text?.messageId !== frame.message_id) this.#text = this.#open(frame);
        const { attempt, content: text, thought = '' } = frame;
        this.#text.replace(attempt, { text, thought });
        return [];
      }
      case 'agent_thought': {
        const { turn_id, kind, content } = frame;
        const payload = { id: turn_id, session_id, turn_id, kind, content, delta: content, timestamp };
        return [{ event: 'agent_thought', payload }];
      }
      case 'error': {
        const { code, error, id, tool_call_id } = frame;
        const about = { ...(id === undefined ? {} : { id }), ...(tool_call_id ? { tool_call_id } : {}) };
        const type = socketIoErrorTypes[code];
        return [{ event: 'error', payload: { type, message: error, timestamp, session_id, code, ...about } }];
      }
      case 'ping':
      case 'pong':
        return [];
      case 'cursor':
        return [{ event: 'cursor', payload: { ...untyped(frame), session_id } }];
      default:
        return [{ event: frame.type, payload: { ...untyped(frame), session_id } } as Emission];
    }
  }

  #failed(error: { code: keyof typeof socketIoErrorTypes; message: string }, timestamp: number): Emission {
    const { code, message } = error;
    const type = socketIoErrorTypes[code];
    return { event: 'error', payload: { type, message, timestamp, session_id: this.#sessionId, code } };
  }

  #learn(call: NamedCall): void {
    this.#calls.set(call.toolCallId, call);
    const [oldest] = this.#calls.keys();
    if (this.#calls.size > maxCalls && oldest !== undefined) this.#calls.delete(oldest);
  }
}

function untyped<Frame extends { type: string }>(frame: Frame): Omit<Frame, 'type'> {
  const { type: _, ...payload } = frame;
  return payload;
}
