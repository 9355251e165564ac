import type { HttpResponse } from 'uWebSockets.js';
import { type ErrorCode, httpStatus, PublicError } from '../protocol/errors.ts';

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
