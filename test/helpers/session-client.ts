import { WebSocket } from 'ws';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { FrameView } from './frame-view.ts';
import { frameFaults } from './schemas.ts';
import { until } from './until.ts';

export interface ConnectOptions {
  /** null sends none. */
  token?: string | null;
  /** How the token travels; `header` unless said otherwise. */
  way?: 'header' | 'query' | 'protocol';
  query?: Record<string, string>;
  origin?: string;
  headers?: Record<string, string>;
}

/** A WebSocket client that keeps every frame, and checks each against the protocol. */
export class SessionClient {
  readonly frames: ServerFrame[] = [];
  readonly view: FrameView;
  readonly socket: WebSocket;
  closed: { code: number; reason: string } | null = null;
  upgradeStatus: number | null = null;

  constructor(address: string, options: ConnectOptions & { token: string | null }) {
    const url = new URL(address);
    for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, value);
    const { token } = options;
    const way = token === null ? null : (options.way ?? 'header');
    if (way === 'query' && token) url.searchParams.set('token', token);
    this.view = new FrameView(Number(options.query?.last_seq ?? 0));
    this.socket = new WebSocket(url, way === 'protocol' ? ['turngate.v1', `bearer.${token}`] : [], {
      headers: { ...options.headers, ...(way === 'header' ? { authorization: `Bearer ${token}` } : {}) },
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
    this.view.lastSeq = lastSeq;
    this.view.shown.clear();
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

  get breaches(): string[] {
    return this.view.breaches;
  }

  get lastSeq(): number {
    return this.view.lastSeq;
  }

  textOf(messageId: string): string {
    return this.view.textOf(messageId);
  }

  terminate(): void {
    this.socket.terminate();
  }

  #take(frame: ServerFrame): void {
    this.frames.push(frame);
    for (const fault of frameFaults(frame)) this.view.breaches.push(`${frame.type}: ${fault}`);
    this.view.take(frame);
  }
}
