import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { PublicError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { BodyReader, type ReadOutcome } from './body-reader.ts';
import { type Route, routeOf } from './client-address.ts';
import { HttpFault } from './http-answer.ts';

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
