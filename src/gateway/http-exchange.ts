import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { type ErrorCode, httpStatus, PublicError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { BodyReader, type ReadOutcome } from './body-reader.ts';
import { type Route, routeOf } from './client-address.ts';

/** An HTTP request, copied out of uWebSockets.js before its handler returns. */
export interface HttpCall {
  /** The path parameter, where the route has one. */
  id: string;
  query: URLSearchParams;
  authorization: string;
  origin: string;
  /** The media types that the client takes, as it says. */
  accept: string;
  /** Where a reader of an event stream was when it lost it; empty where it was nowhere. */
  lastEventId: string;
  /** What the client calls this request; empty where it does not. */
  idempotencyKey: string;
  route: Route;
  /** The client's; set by the router, which knows the proxies. */
  address: string;
  /** Whether the client has gone: nothing may be written then. */
  isAborted(): boolean;
  /** Calls `handler` when the client goes before the answer's end; at once, where it has gone. */
  onAborted(handler: () => void): void;
  /**
   * The parsed JSON body; an empty body is `{}`.
   * @throws PublicError `validation_error`, also when the client goes before its end
   */
  body(): Promise<object>;
  contentType: string;
  contentDisposition: string;
  /**
   * The bytes of the body, on routes that take uploads.
   * @throws HttpFault 413 above the bound, 408 when it takes too long; PublicError when the client goes
   */
  upload(options: { maxBytes: number; boundMs: number }): Promise<Buffer>;
  /** To be awaited before the answer: reads away an upload that nobody wanted. */
  finish(): Promise<void>;
  /** The body was not read to its end: the answer is the last thing on this connection. */
  mustClose(): boolean;
  /** Only the head of the answer is wanted: a body would be taken for the next answer. */
  isHead: boolean;
}

export interface HttpAnswer {
  status: number;
  body: unknown;
  headers?: [string, string][];
  /** What is to happen once the answer is on its way. */
  after?(): void;
}

/** An answer that goes on. Whoever gives it writes it, and hears of the client's going by `onAborted`. */
export interface HttpStream {
  /** @param headers to be written with the others */
  stream(res: HttpResponse, headers: [string, string][]): void;
  /** Called instead of `stream` when the client has gone before. */
  abandon(): void;
}

/** A failure whose status says more than its code does, or that has more to say than a sentence. */
export class HttpFault extends PublicError {
  readonly status: number;
  readonly headers: [string, string][];
  readonly extensions: Record<string, unknown>;
  constructor(
    status: number,
    code: ErrorCode,
    message: string,
    more: { headers?: [string, string][]; extensions?: Record<string, unknown> } = {},
  ) {
    super(code, message);
    this.status = status;
    this.headers = more.headers ?? [];
    this.extensions = more.extensions ?? {};
  }
}

const reasons: Record<number, string> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

/** What nobody wants is read away for at most this long. */
const discardMs = 5_000;

type ReadBody = { text: string } | { fault: PublicError };

/** Reads the whole request; the body is collected while others are served. An upload waits until it is asked for. */
export function readCall(res: HttpResponse, req: HttpRequest, isUpload = false): HttpCall {
  const reader = isUpload ? new BodyReader(res) : null;
  let isAborted = false;
  const whenAborted: (() => void)[] = [];
  res.onAborted(() => {
    isAborted = true;
    reader?.abort();
    for (const handler of whenAborted.splice(0)) handler();
  });
  const hasBody = !['get', 'head', 'options'].includes(req.getMethod());
  const read = new Promise<ReadBody>((resolve) => {
    // Whoever waits for the rest of the body of a client that is gone would wait for ever.
    whenAborted.push(() =>
      resolve({ fault: new PublicError('validation_error', 'The request ended before its body did.') }),
    );
    if (hasBody && !isUpload) collect(res, resolve);
    else resolve({ text: '' });
  });
  return {
    id: req.getParameter(0) ?? '',
    query: new URLSearchParams(req.getQuery()),
    authorization: req.getHeader('authorization'),
    origin: req.getHeader('origin'),
    accept: req.getHeader('accept'),
    lastEventId: req.getHeader('last-event-id'),
    idempotencyKey: req.getHeader('idempotency-key'),
    route: routeOf(res, req),
    address: '',
    isAborted: () => isAborted,
    onAborted: (handler) => {
      if (isAborted) handler();
      else whenAborted.push(handler);
    },
    body: async () => {
      const body = await read;
      if ('fault' in body) throw body.fault;
      return parseBody(body.text);
    },
    contentType: req.getHeader('content-type'),
    contentDisposition: req.getHeader('content-disposition'),
    upload: async (options) => uploaded(await reader?.read(options), options.maxBytes),
    finish: async () => reader?.discard(discardMs),
    mustClose: () => reader !== null && !reader.isRead,
    isHead: req.getMethod() === 'head',
  };
}

function uploaded(outcome: ReadOutcome | undefined, maxBytes: number): Buffer {
  if (outcome === undefined) throw new PublicError('processing_error', 'This path takes no uploads.');
  if ('bytes' in outcome) return outcome.bytes;
  switch (outcome.fault) {
    case 'too large':
      throw new HttpFault(413, 'validation_error', `The body is larger than ${maxBytes} bytes.`);
    case 'too slow':
      throw new HttpFault(408, 'validation_error', 'The body took too long to arrive; send it again.');
    case 'gone':
      throw new PublicError('validation_error', 'The request ended before its body did.');
  }
}

/** The body is read to its end, because only then an answer is sure to be read; it is kept up to the bound. */
function collect(res: HttpResponse, done: (body: ReadBody) => void): void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  res.onData((chunk, isLast) => {
    bytes += chunk.byteLength;
    // The chunk is ours only until this returns.
    if (bytes <= limits.frameBytes) chunks.push(Buffer.from(Buffer.from(chunk)));
    else chunks = [];
    if (!isLast) return;
    if (bytes <= limits.frameBytes) done({ text: Buffer.concat(chunks).toString('utf8') });
    else
      done({
        fault: new HttpFault(413, 'validation_error', `The body is larger than ${limits.frameBytes} bytes.`),
      });
  });
}

function parseBody(text: string): object {
  if (text.trim() === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new PublicError('validation_error', 'The body is not valid JSON.');
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new PublicError('validation_error', 'The body must be a JSON object.');
  }
  return parsed;
}

/** Headers that let a page of an allowed origin read the answer. */
export function corsHeaders(origin: string): [string, string][] {
  if (origin === '') return [];
  return [
    ['Access-Control-Allow-Origin', origin],
    ['Access-Control-Expose-Headers', 'Retry-After'],
    ['Vary', 'Origin'],
  ];
}

/** Writes an answer; the caller has made sure that the request was not aborted. */
export function writeAnswer(
  res: HttpResponse,
  answer: HttpAnswer,
  headers: [string, string][],
  contentType = 'application/json',
  { closes = false, isHead = false, hearsOfAbort = false } = {},
): void {
  const body = answer.body === undefined ? '' : JSON.stringify(answer.body);
  res.cork(() => {
    writeHead(res, answer, headers, contentType);
    // Not endWithoutBody: where more was sent behind the HEAD, nothing goes out after it (tried).
    if (isHead || closes || body === '' || !hearsOfAbort) res.end(isHead ? '' : body, closes);
    else endSteadily(res, Buffer.from(body));
  });
}

/**
 * Ends an answer as fast as its reader reads; to be called corked, by who hears of the client's going. What does not fit
 * is not handed over to wait there, and meanwhile nothing else is served on the connection: `end` would keep it all, of
 * every answer to somebody who asks on and on and reads nothing.
 */
export function endSteadily(res: HttpResponse, bytes: Buffer): void {
  res.onWritable((offset) => {
    const [isWritten, isOver] = res.tryEnd(bytes.subarray(offset), bytes.length);
    return isWritten || isOver;
  });
  res.tryEnd(bytes, bytes.length);
}

/** Status and headers; to be called corked. */
export function writeHead(
  res: HttpResponse,
  answer: Pick<HttpAnswer, 'status' | 'headers'>,
  headers: [string, string][],
  contentType: string,
): void {
  res.writeStatus(`${answer.status} ${reasons[answer.status] ?? ''}`.trim());
  res.writeHeader('Content-Type', contentType);
  res.writeHeader('Cache-Control', 'no-store');
  res.writeHeader('X-Content-Type-Options', 'nosniff');
  for (const [name, value] of [...headers, ...(answer.headers ?? [])]) res.writeHeader(name, value);
}

/** When to try again what could not be done now, where nobody knows better. */
const retryAfterSeconds = '1';

export const problemType = 'application/problem+json';

/** `application/problem+json` of an error. */
export function problemOf(error: PublicError): HttpAnswer {
  const fault =
    error instanceof HttpFault ? error : new HttpFault(httpStatus[error.code], error.code, error.message);
  const { status, code, message, extensions } = fault;
  const headers = [...fault.headers];
  if ((status === 429 || status === 503) && !headers.some(([name]) => name === 'Retry-After')) {
    headers.push(['Retry-After', retryAfterSeconds]);
  }
  const type = `docs/errors/${code}.md`;
  return {
    status,
    headers,
    body: { type, title: titles[code], status, code, detail: message, ...extensions },
  };
}

const titles: Record<ErrorCode, string> = {
  unauthorized: 'Not signed in',
  forbidden: 'Not allowed',
  not_found: 'Not found',
  validation_error: 'Not valid',
  rate_limit: 'Too many requests',
  conflict: 'Conflict',
  busy: 'Busy',
  tool_error: 'A tool failed',
  model_error: 'The model failed',
  processing_error: 'Something failed',
  unavailable: 'Not available',
};
