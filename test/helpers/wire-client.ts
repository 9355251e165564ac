import WebSocket from 'ws';
import { type EventFrame, isEventFrame, type ServerFrame } from '../../src/protocol/server-frames.ts';
import { until } from './gateway.ts';

interface Shown {
  attempt: number;
  text: string;
}

/**
 * A client as strict as the protocol: it reconnects with `last_seq`, takes a delta only at its offset, and notes as a
 * fault whatever no client should ever see.
 */
export class WireClient {
  readonly events: EventFrame[] = [];
  readonly statuses: { status: string; attempt: number | undefined; at: number }[] = [];
  readonly acks: Extract<ServerFrame, { type: 'ack' }>[] = [];
  readonly notices: ServerFrame[] = [];
  readonly errors: Extract<ServerFrame, { type: 'error' }>[] = [];
  readonly faults: string[] = [];
  readonly deltas: number[] = [];
  /** Codes and reasons of the connections that ended, in their order. */
  readonly closes: { code: number; reason: string }[] = [];
  readonly #address: () => { url: string; token: string };
  readonly #shown = new Map<string, Shown>();
  readonly #unacked = new Map<string, object>();
  #socket: WebSocket | null = null;
  #isClosed = false;
  #retry: NodeJS.Timeout | undefined;
  readonly #onFrame: (frame: ServerFrame) => void;

  /** @param onFrame told of each frame once it was taken, in the moment it came */
  constructor(
    address: () => { url: string; token: string },
    onFrame: (frame: ServerFrame) => void = () => undefined,
  ) {
    this.#address = address;
    this.#onFrame = onFrame;
    this.#connect();
  }

  get lastSeq(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Sends a frame until it is acked, over any number of connections. */
  send(frame: { id: string } & Record<string, unknown>): void {
    this.#unacked.set(frame.id, frame);
    if (this.isOpen) this.#socket?.send(JSON.stringify(frame));
  }

  /** What was refused is not sent again. */
  forget(id: string): void {
    this.#unacked.delete(id);
  }

  /** The text of a message as it is shown. */
  textOf(messageId: string): string {
    return this.#shown.get(messageId)?.text ?? '';
  }

  get lastText(): string {
    return [...this.#shown.values()].at(-1)?.text ?? '';
  }

  async event<T extends EventFrame['type']>(
    type: T,
    fits: (event: Extract<EventFrame, { type: T }>) => boolean = () => true,
    boundMs = 30_000,
  ): Promise<Extract<EventFrame, { type: T }>> {
    let found: Extract<EventFrame, { type: T }> | undefined;
    await until(() => {
      found = this.events.find(
        (event): event is Extract<EventFrame, { type: T }> =>
          event.type === type && fits(event as Extract<EventFrame, { type: T }>),
      );
      return found;
    }, boundMs).catch(() => undefined);
    if (!found)
      throw new Error(`No ${type} came; there were ${this.events.map((event) => event.type).join(', ')}.`);
    return found;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
  }

  #connect(): void {
    const { url, token } = this.#address();
    const socket = new WebSocket(`${url}?last_seq=${this.lastSeq}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    this.#socket = socket;
    socket.on('open', () => {
      for (const frame of this.#unacked.values()) socket.send(JSON.stringify(frame));
    });
    socket.on('message', (data) => {
      const frame: ServerFrame = JSON.parse(String(data));
      this.#take(frame);
      this.#onFrame(frame);
    });
    socket.on('error', () => undefined);
    socket.on('close', (code, reason) => {
      this.closes.push({ code, reason: String(reason) });
      if (!this.#isClosed) this.#retry = setTimeout(() => this.#connect(), 100);
    });
  }

  #take(frame: ServerFrame): void {
    if (isEventFrame(frame)) {
      this.#event(frame);
    } else if (frame.type === 'stream_delta') {
      this.#delta(frame);
    } else if (frame.type === 'stream_snapshot') {
      this.#shown.set(frame.message_id, { attempt: frame.attempt, text: frame.content });
    } else if (frame.type === 'agent_status') {
      this.statuses.push({ status: frame.status, attempt: frame.details.attempt, at: Date.now() });
    } else if (frame.type === 'ping') {
      this.#socket?.send('{"type":"pong"}');
    } else if (frame.type === 'ack') {
      this.acks.push(frame);
      if (frame.id !== undefined) this.#unacked.delete(frame.id);
    } else if (frame.type === 'error') {
      this.errors.push(frame);
    } else {
      this.notices.push(frame);
    }
  }

  #event(event: EventFrame): void {
    if (event.seq !== this.lastSeq + 1) this.faults.push(`seq ${event.seq} came after ${this.lastSeq}`);
    this.events.push(event);
    if (event.type === 'stream_start') {
      this.#shown.set(event.message_id, { attempt: event.attempt, text: '' });
    } else if (event.type === 'stream_reset') {
      this.#shown.set(event.message_id, { attempt: event.attempt ?? Number.POSITIVE_INFINITY, text: '' });
    } else if (event.type === 'stream_end') {
      const shown = this.textOf(event.message_id);
      if (!event.content.startsWith(shown)) {
        this.faults.push(`"${shown}" was shown of "${event.content}"`);
      }
      this.#shown.set(event.message_id, { attempt: Number.POSITIVE_INFINITY, text: event.content });
    }
  }

  #delta(frame: Extract<ServerFrame, { type: 'stream_delta' }>): void {
    const shown = this.#shown.get(frame.message_id);
    if (!shown || frame.attempt < shown.attempt) return;
    if (frame.attempt > shown.attempt)
      this.faults.push(`a delta of attempt ${frame.attempt} came before it began`);
    if (frame.offset > shown.text.length) {
      this.faults.push(`a delta at ${frame.offset} came with ${shown.text.length} shown`);
    }
    if (frame.offset !== shown.text.length) return;
    shown.text += frame.delta;
    this.deltas.push(Date.now());
  }
}
