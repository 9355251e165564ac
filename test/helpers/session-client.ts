import { WebSocket } from 'ws';
import type { EventFrame, ServerFrame } from '../../src/protocol/server-frames.ts';
import { until } from './until.ts';

export interface ConnectOptions {
  /** null sends none. */
  token?: string | null;
  /** How the token travels; `header` unless said otherwise. */
  way?: 'header' | 'query' | 'protocol';
  query?: Record<string, string>;
  origin?: string;
}

interface ShownMessage {
  attempt: number;
  text: string;
  thought: string;
  isFinal: boolean;
}

/**
 * A client that does with frames exactly what the protocol says, and writes down every breach of it: an event out of
 * order, doubled or missing, a delta that is not at its offset or of another attempt.
 */
export class SessionClient {
  readonly frames: ServerFrame[] = [];
  readonly breaches: string[] = [];
  readonly shown = new Map<string, ShownMessage>();
  readonly socket: WebSocket;
  lastSeq: number;
  closed: { code: number; reason: string } | null = null;
  upgradeStatus: number | null = null;

  constructor(address: string, options: ConnectOptions & { token: string | null }) {
    const url = new URL(address);
    for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, value);
    const { token } = options;
    const way = token === null ? null : (options.way ?? 'header');
    if (way === 'query' && token) url.searchParams.set('token', token);
    this.lastSeq = Number(options.query?.last_seq ?? 0);
    this.socket = new WebSocket(url, way === 'protocol' ? ['turngate.v1', `bearer.${token}`] : [], {
      headers: way === 'header' ? { authorization: `Bearer ${token}` } : {},
      ...(options.origin === undefined ? {} : { origin: options.origin }),
    });
    this.socket.on('message', (data: Buffer) => this.#take(JSON.parse(data.toString('utf8'))));
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString('utf8') };
    });
    this.socket.on('unexpected-response', (request, response) => {
      this.upgradeStatus = response.statusCode ?? 0;
      this.closed = { code: 0, reason: 'refused before the upgrade' };
      request.destroy();
    });
    this.socket.on('error', (error) => {
      this.closed ??= { code: 0, reason: error.message };
    });
  }

  send(frame: unknown): void {
    this.socket.send(JSON.stringify(frame));
  }

  resume(lastSeq: number): void {
    this.lastSeq = lastSeq;
    this.shown.clear();
    this.send({ type: 'resume', last_seq: lastSeq });
  }

  of<T extends ServerFrame['type']>(type: T): Extract<ServerFrame, { type: T }>[] {
    return this.frames.filter((frame): frame is Extract<ServerFrame, { type: T }> => frame.type === type);
  }

  /** The first frame of this type that fits, waited for. */
  async frame<T extends ServerFrame['type']>(
    type: T,
    fits: (frame: Extract<ServerFrame, { type: T }>) => boolean = () => true,
    boundMs?: number,
  ): Promise<Extract<ServerFrame, { type: T }>> {
    const find = () => this.of(type).find(fits);
    await until(() => find() !== undefined || this.closed !== null, boundMs);
    const found = find();
    if (!found) throw new Error(`No ${type} came; the socket closed with ${JSON.stringify(this.closed)}.`);
    return found;
  }

  async end(): Promise<{ code: number; reason: string }> {
    await until(() => this.closed !== null);
    if (!this.closed) throw new Error('The socket is open.');
    return this.closed;
  }

  textOf(messageId: string): string {
    return this.shown.get(messageId)?.text ?? '';
  }

  terminate(): void {
    this.socket.terminate();
  }

  #take(frame: ServerFrame): void {
    this.frames.push(frame);
    if ('seq' in frame) {
      this.#takeEvent(frame);
      return;
    }
    if (frame.type === 'stream_snapshot') this.#takeSnapshot(frame);
    if (frame.type === 'stream_delta' || frame.type === 'thought_delta') this.#takeDelta(frame);
  }

  #takeEvent(event: EventFrame): void {
    if (event.seq !== this.lastSeq + 1) this.breaches.push(`event ${event.seq} after ${this.lastSeq}`);
    this.lastSeq = event.seq;
    if (event.type === 'stream_start' || (event.type === 'stream_reset' && event.attempt !== undefined)) {
      const attempt = event.attempt ?? 0;
      this.shown.set(event.message_id, { attempt, text: '', thought: '', isFinal: false });
    }
    if (event.type !== 'stream_end') return;
    const { content: text, thought = '' } = event;
    this.shown.set(event.message_id, { attempt: 0, text, thought, isFinal: true });
  }

  #takeSnapshot(frame: Extract<ServerFrame, { type: 'stream_snapshot' }>): void {
    const { message_id: id, attempt, content: text, thought = '' } = frame;
    if (this.shown.get(id)?.isFinal) this.breaches.push(`snapshot of the finished ${id}`);
    this.shown.set(id, { attempt, text, thought, isFinal: false });
  }

  #takeDelta(frame: Extract<ServerFrame, { type: 'stream_delta' | 'thought_delta' }>): void {
    const message = this.shown.get(frame.message_id);
    const channel = frame.type === 'stream_delta' ? 'text' : 'thought';
    if (!message || message.isFinal || message.attempt !== frame.attempt) {
      this.breaches.push(`delta of ${frame.message_id}, attempt ${frame.attempt}, which is not open`);
    } else if (message[channel].length !== frame.offset) {
      this.breaches.push(`delta at ${frame.offset}, known are ${message[channel].length}`);
    } else message[channel] += frame.delta;
  }
}
