import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { FrameView } from './frame-view.ts';
import { until } from './until.ts';

export interface SseOptions {
  token: string;
  headers?: Record<string, string>;
  lastSeq?: number;
  /** Posted as JSON; without it, it is a GET. */
  body?: object;
}

/** A reader of an event stream that keeps every event and checks each frame against the protocol. */
export class SseClient {
  readonly frames: ServerFrame[] = [];
  /** The `id` of each frame, as it came; undefined where it had none. */
  readonly ids: (string | undefined)[] = [];
  readonly view: FrameView;
  comments = 0;
  goodbye: { code: number; reason: string } | null = null;
  retryMs: number | null = null;
  status = 0;
  headers: IncomingMessage['headers'] = {};
  isEnded = false;
  /** What came instead of a stream. */
  text = '';
  readonly #request: ClientRequest;
  #response: IncomingMessage | null = null;

  constructor(url: string, options: SseOptions) {
    this.view = new FrameView(options.lastSeq ?? 0);
    const { token, body, headers = {} } = options;
    this.#request = request(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { accept: 'text/event-stream', authorization: `Bearer ${token}`, ...headers },
    });
    this.#request.on('response', (response) => this.#begin(response));
    this.#request.on('error', () => this.#end());
    this.#request.end(body === undefined ? undefined : JSON.stringify(body));
  }

  get lastId(): string | undefined {
    return this.ids.findLast((id) => id !== undefined);
  }

  get lastSeq(): number {
    return this.view.lastSeq;
  }

  textOf(messageId: string): string {
    return this.view.textOf(messageId);
  }

  of<T extends ServerFrame['type']>(type: T): Extract<ServerFrame, { type: T }>[] {
    return this.frames.filter((frame): frame is Extract<ServerFrame, { type: T }> => frame.type === type);
  }

  async frame<T extends ServerFrame['type']>(
    type: T,
    fits: (frame: Extract<ServerFrame, { type: T }>) => boolean = () => true,
  ): Promise<Extract<ServerFrame, { type: T }>> {
    const find = () => this.of(type).find(fits);
    await until(() => find() !== undefined || this.isEnded);
    const found = find();
    if (!found) throw new Error(`No ${type} came; the stream ended (${this.status} ${this.text}).`);
    return found;
  }

  async end(): Promise<void> {
    await until(() => this.isEnded);
  }

  pause(): void {
    this.#response?.socket.pause();
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.socket.resume();
    this.#response?.resume();
  }

  close(): void {
    this.#request.destroy();
  }

  #begin(response: IncomingMessage): void {
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    const isStream = response.headers['content-type'] === 'text/event-stream';
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      if (!isStream) {
        this.text += chunk;
        return;
      }
      const events = `${rest}${chunk}`.split('\n\n');
      rest = events.pop() ?? '';
      for (const event of events) this.#take(event);
    });
    response.on('end', () => this.#end());
    response.on('error', () => this.#end());
  }

  #end(): void {
    this.isEnded = true;
  }

  #take(event: string): void {
    const fields = new Map(event.split('\n').map((line) => fieldOf(line)));
    const data = fields.get('data');
    if (fields.has('retry')) this.retryMs = Number(fields.get('retry'));
    if (fields.get('event') === 'close') this.goodbye = JSON.parse(data ?? 'null');
    else if (data === undefined) this.comments += 1;
    else {
      const frame = JSON.parse(data) as ServerFrame;
      this.frames.push(frame);
      this.ids.push(fields.get('id'));
      this.view.take(frame);
    }
  }
}

function fieldOf(line: string): [string, string] {
  const at = line.indexOf(':');
  return [line.slice(0, at), line.slice(at + 1).trimStart()];
}
