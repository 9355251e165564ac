import { WebSocket } from 'ws';
import type { DeltaFrame } from '../../protocol/live-frames.ts';
import { type EventFrame, isEventFrame, type ServerFrame } from '../../protocol/server-frames.ts';
import { orAborted, TourFailure } from './tour-failure.ts';

type Of<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>;

/** A message as the client has put it together from deltas and snapshots alone. */
interface Shown {
  attempt: number;
  text: string;
  thought: string;
  isOpen: boolean;
}

/** The client's side of one session, over as many connections as it takes. */
export class Conversation {
  /** Every durable frame, over all connections. */
  readonly events: EventFrame[] = [];
  /** What must never happen: an event doubled or missing, a delta that fits nowhere. */
  readonly breaches: string[] = [];
  /** Deltas received so far. */
  deltas = 0;
  readonly #shown = new Map<string, Shown>();
  readonly #recent: ServerFrame[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #address: string;
  readonly #token: string;
  readonly #onDelta: (delta: DeltaFrame) => void;
  #socket: WebSocket | undefined;
  #closeCode: number | undefined;

  /**
   * @param options.address `ws://…/v1/sessions/<session id>/ws`
   * @param options.onDelta told each delta that extends what is shown
   */
  constructor(options: { address: string; token: string; onDelta(delta: DeltaFrame): void }) {
    this.#address = options.address;
    this.#token = options.token;
    this.#onDelta = options.onDelta;
  }

  get lastSeq(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  /** Connects, resuming after the last event that it has, and waits for `welcome`. */
  async connect(signal: AbortSignal): Promise<Of<'welcome'>> {
    this.#closeCode = undefined;
    this.#recent.length = 0;
    const socket = new WebSocket(`${this.#address}?last_seq=${this.lastSeq}`, {
      headers: { authorization: `Bearer ${this.#token}` },
    });
    this.#socket = socket;
    socket.on('message', (data) => this.#take(JSON.parse(String(data)) as ServerFrame));
    socket.on('close', (code) => this.#close(code));
    // The close that follows says the same to whoever waits.
    socket.on('error', () => undefined);
    return await this.frame('welcome', signal);
  }

  send(frame: object): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  /** The first frame of this type that fits, of those that this connection brought; waited for. */
  async frame<T extends ServerFrame['type']>(
    type: T,
    signal: AbortSignal,
    fits: (frame: Of<T>) => boolean = () => true,
  ): Promise<Of<T>> {
    const isWanted = (frame: ServerFrame): frame is Of<T> => frame.type === type && fits(frame as Of<T>);
    return await this.#wait(signal, () => {
      const found = this.#recent.find(isWanted);
      if (found === undefined && this.#closeCode !== undefined) {
        throw new TourFailure(
          `The tour failed: the connection closed (${this.#closeCode}) before ${type} came.`,
        );
      }
      return found;
    });
  }

  /** The code with which the connection closed; waited for. */
  async closed(signal: AbortSignal): Promise<number> {
    return await this.#wait(signal, () => this.#closeCode);
  }

  /** What deltas and snapshots alone have shown of a message. */
  textOf(messageId: string): string {
    return this.#shown.get(messageId)?.text ?? '';
  }

  end(): void {
    this.#socket?.terminate();
  }

  #wait<R>(signal: AbortSignal, look: () => R | undefined): Promise<R> {
    let waiter = (): void => undefined;
    const found = new Promise<R>((resolve, reject) => {
      waiter = () => {
        try {
          const result = look();
          if (result !== undefined) resolve(result);
        } catch (error) {
          reject(error);
        }
      };
      this.#waiting.add(waiter);
      waiter();
    });
    return orAborted(found, signal).finally(() => this.#waiting.delete(waiter));
  }

  #close(code: number): void {
    this.#closeCode = code;
    for (const waiter of this.#waiting) waiter();
  }

  #take(frame: ServerFrame): void {
    this.#recent.push(frame);
    if (frame.type === 'ping') this.send({ type: 'pong' });
    else if (frame.type === 'error') this.breaches.push(`error ${frame.code}: ${frame.error}`);
    else if (isEventFrame(frame)) this.#takeEvent(frame);
    else if (frame.type === 'stream_snapshot') {
      const { message_id: id, attempt, content, thought } = frame;
      this.#shown.set(id, { attempt, text: content, thought: thought ?? '', isOpen: true });
    } else if (frame.type === 'stream_delta' || frame.type === 'thought_delta') this.#takeDelta(frame);
    for (const waiter of this.#waiting) waiter();
  }

  #takeEvent(event: EventFrame): void {
    if (event.seq !== this.lastSeq + 1) this.breaches.push(`event ${event.seq} came after ${this.lastSeq}`);
    this.events.push(event);
    if (event.type === 'stream_start' || (event.type === 'stream_reset' && event.attempt !== undefined)) {
      const attempt = event.attempt ?? 0;
      this.#shown.set(event.message_id, { attempt, text: '', thought: '', isOpen: true });
    }
    if (event.type === 'stream_end') {
      const shown = this.#shown.get(event.message_id);
      if (shown !== undefined) shown.isOpen = false;
    }
  }

  /** As the protocol says: at the length it is appended, below it is a repeat, above it something is missing. */
  #takeDelta(frame: DeltaFrame): void {
    const shown = this.#shown.get(frame.message_id);
    if (shown === undefined || !shown.isOpen || shown.attempt !== frame.attempt) {
      this.breaches.push(`a delta of ${frame.message_id}, attempt ${frame.attempt}, which is not open`);
      return;
    }
    const channel = frame.type === 'stream_delta' ? 'text' : 'thought';
    if (frame.offset > shown[channel].length) {
      this.send({ type: 'resume', last_seq: this.lastSeq });
    } else if (frame.offset === shown[channel].length) {
      shown[channel] += frame.delta;
      this.deltas += 1;
      this.#onDelta(frame);
    }
  }
}
