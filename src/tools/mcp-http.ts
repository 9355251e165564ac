import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { EventLines } from './mcp-event-lines.ts';
import { type Exchange, exchanges } from './mcp-exchange.ts';
import { createHttpSender, HttpFault, Redirected } from './mcp-http-send.ts';
import { Intake, MESSAGE_BYTES_MAX } from './mcp-intake.ts';

/** What says no more than "received", and the head of every answer, may take this long. */
const shortMs = 30_000;
/** How long a broken stream is taken up again before its request is given up. */
const resumeMs = 30_000;
/** The last message of a stream is read a little after the stream has ended. */
const settleMs = 500;
const errorBytes = 16 * 1024;
const streamEveryMs = 500;
const brokenStreamsMax = 200;
const deleteMs = 2_000;
const longestMs = 2 ** 31 - 1;

export interface HttpOptions {
  url: URL;
  headers: Record<string, string>;
  privateAddress: boolean;
  /** The server is hostile or broken, for this reason. */
  onFault(why: string): void;
}

export interface McpHttp {
  transport: StreamableHTTPClientTransport;
  /** Says goodbye to the server, and ends what is open. */
  close(): Promise<void>;
}

/** MCP's streamable HTTP on the SDK's transport, over a `fetch` of ours that keeps the bounds. */
export function createMcpHttp(options: HttpOptions): McpHttp {
  const carrier = new HttpCarrier(options);
  const transport = new StreamableHTTPClientTransport(options.url, {
    fetch: (_, init) => carrier.fetch(init ?? {}),
    requestInit: { headers: options.headers, redirect: 'manual' },
  });
  return {
    transport,
    async close() {
      const goodbye = transport.terminateSession().catch(() => undefined);
      await Promise.race([goodbye, delay(deleteMs, undefined, { ref: false })]);
      await transport.close();
      carrier.close();
    },
  };
}

class HttpCarrier {
  readonly #options: HttpOptions;
  readonly #sender: ReturnType<typeof createHttpSender>;
  readonly #intake = new Intake();
  /** Requests whose stream broke off, by the last id that came on it. */
  readonly #broken = new Map<string, Exchange>();
  #nextStreamAt = 0;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#sender = createHttpSender(options.url, options.privateAddress);
  }

  close(): void {
    this.#sender.close();
  }

  /** As much of `fetch` as the transport needs. The URL is always ours. */
  async fetch(init: RequestInit): Promise<Response> {
    const method = init.method ?? 'GET';
    const body = typeof init.body === 'string' ? init.body : '';
    const headers = new Headers(init.headers);
    const resumed = headers.get('last-event-id') ?? undefined;
    const exchange = this.#exchangeOf(method, body, resumed);
    // 405 is what the transport takes for "there is no such stream".
    if (resumed !== undefined && exchange?.signal.aborted) return new Response(null, { status: 405 });
    if (method === 'GET') await this.#pace();
    const head = new AbortController();
    const timer = setTimeout(
      () => head.abort(),
      method === 'POST' && exchange !== undefined ? longestMs : shortMs,
    );
    const signals = [init.signal, exchange?.signal, head.signal].filter(
      (signal) => signal instanceof AbortSignal,
    );
    // What is packed could be far larger than what is counted.
    const sent = { ...Object.fromEntries(headers), 'accept-encoding': 'identity' };
    try {
      const message = await this.#sender.send(method, sent, body, AbortSignal.any(signals));
      // Whoever reads the body hears of it; one that is aborted when nobody reads is no fault.
      message.on('error', () => message.destroy());
      return await this.#answer(message, exchange, resumed);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Of a request, its own; of a stream that is taken up again, that of the request which it belongs to. */
  #exchangeOf(method: string, body: string, resumed: string | undefined): Exchange | undefined {
    if (resumed !== undefined) return this.#broken.get(resumed);
    return method === 'POST' && isRequest(body) ? exchanges.getStore() : undefined;
  }

  /** A server that ends its streams at once, and asks to come back at once, is asked twice a second. */
  async #pace(): Promise<void> {
    const waitMs = this.#nextStreamAt - Date.now();
    this.#nextStreamAt = Math.max(Date.now(), this.#nextStreamAt) + streamEveryMs;
    if (waitMs > 0) await delay(waitMs, undefined, { ref: false });
  }

  async #answer(
    message: IncomingMessage,
    exchange: Exchange | undefined,
    resumed: string | undefined,
  ): Promise<Response> {
    const status = Math.min(Math.max(message.statusCode ?? 502, 200), 599);
    if (status >= 300 && status < 400) {
      message.destroy();
      throw new Redirected(status);
    }
    const headers = headersOf(message);
    if (status >= 400) return new Response(await readStart(message), { status, headers });
    if ((headers.get('content-encoding') ?? 'identity') !== 'identity') {
      message.destroy();
      throw new HttpFault('it packs its answers, although it was asked not to', true);
    }
    if (status === 204 || status === 205) {
      message.resume();
      return new Response(null, { status, headers });
    }
    const isStream = (headers.get('content-type') ?? '').startsWith('text/event-stream');
    if (resumed !== undefined) this.#broken.delete(resumed);
    const lines = new EventLines(resumed);
    return new Response(this.#bodyOf(message, isStream ? lines : undefined, exchange), { status, headers });
  }

  /** The body within bounds, read no faster than the server may talk. */
  #bodyOf(
    message: IncomingMessage,
    lines: EventLines | undefined,
    exchange: Exchange | undefined,
  ): ReadableStream {
    const chunks = message.iterator({ destroyOnReturn: true });
    let bytes = 0;
    const end = () => this.#bodyEnded(lines?.lastId, exchange);
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const { value, done } = await chunks.next();
            if (done === true) {
              end();
              controller.close();
              return;
            }
            const chunk: Buffer = value;
            bytes += chunk.length;
            const waitMs = this.#intake.take(chunk.length, lines?.take(chunk) ?? 0);
            if ((lines?.eventBytes ?? bytes) > MESSAGE_BYTES_MAX) {
              message.destroy();
              this.#options.onFault(`sent a message of more than ${MESSAGE_BYTES_MAX} bytes`);
              throw new Error('the message is too large');
            }
            controller.enqueue(chunk);
            if (waitMs > 0) await delay(waitMs, undefined, { ref: false });
          } catch (error) {
            end();
            controller.error(error);
          }
        },
        cancel: () => {
          message.destroy();
          end();
        },
      },
      { highWaterMark: 0 },
    );
  }

  #bodyEnded(lastId: string | undefined, exchange: Exchange | undefined): void {
    if (exchange === undefined) return;
    if (lastId === undefined) {
      setTimeout(exchange.lost, settleMs).unref();
      return;
    }
    this.#broken.set(lastId, exchange);
    const [oldest] = this.#broken.keys();
    if (this.#broken.size > brokenStreamsMax && oldest !== undefined) this.#broken.delete(oldest);
    const giveUp = () => {
      if (this.#broken.get(lastId) === exchange) exchange.lost();
    };
    setTimeout(giveUp, resumeMs).unref();
  }
}

/** Whether this body asks something, so that its answer is waited for. */
function isRequest(body: string): boolean {
  const message: unknown = JSON.parse(body);
  return typeof message === 'object' && message !== null && 'method' in message && 'id' in message;
}

function headersOf(message: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headersDistinct)) {
    for (const item of value ?? []) headers.append(name, item);
  }
  return headers;
}

async function readStart(message: IncomingMessage): Promise<string> {
  let text = '';
  message.setEncoding('utf8');
  for await (const piece of message) {
    text += piece;
    if (text.length > errorBytes) break;
  }
  return text.slice(0, errorBytes);
}
