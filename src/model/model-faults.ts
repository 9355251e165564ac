import { APIConnectionError, APIError } from 'openai';
import { cleanText, cutAt } from '../protocol/text.ts';
import { prop, text } from './json-access.ts';
import { ConnectionFault } from './node-fetch.ts';
import { ModelError, type ModelErrorKind } from './port.ts';

const quotedChars = 500;
const maxRetryAfterMs = 3_600_000;

/** What is known of a call when it fails, for a message that says what to do. */
export interface FaultContext {
  model: string;
  /** Never to be seen in a message, also not when the server repeats it. */
  apiKey: string;
}

/** @returns a ModelError for what the model server or the network did; anything else (a fault of ours) as it is */
export function toModelFault(error: unknown, context: FaultContext): unknown {
  if (error instanceof APIConnectionError) return unreachable(error);
  if (error instanceof APIError && error.status !== undefined)
    return statusFault(error, error.status, context);
  if (error instanceof ConnectionFault) {
    return new ModelError('Dropped', `The connection to the model server broke off (${error.code}).`, {
      cause: error,
    });
  }
  return error;
}

/** An error that a server reports inside of its stream. */
export function streamFault(error: unknown): ModelError {
  const code = prop(error, 'code');
  const status = typeof code === 'number' ? code : Number(prop(error, 'status') ?? 0);
  const limited = status === 429 || text(code).startsWith('rate_limit');
  return new ModelError(
    limited ? 'RateLimited' : 'Unavailable',
    `The model server broke off its answer with an error${quote(text(prop(error, 'message')))}`,
  );
}

function unreachable(error: APIConnectionError): ModelError {
  const { cause } = error;
  const code = cause instanceof ConnectionFault ? cause.code : 'no connection';
  return new ModelError(
    'Unavailable',
    `The model server cannot be reached (${code}). Is it running, and is OPENAI_BASE_URL right?`,
    { cause: error },
  );
}

function statusFault(error: APIError, status: number, context: FaultContext): ModelError {
  const { kind, message } = describe(error, status, context);
  const retryAfterMs =
    kind === 'RateLimited' || kind === 'Unavailable' ? readRetryAfter(error.headers) : undefined;
  // No cause: the client's error holds headers and the server's words, which may repeat the key.
  return new ModelError(kind, message, retryAfterMs === undefined ? {} : { retryAfterMs });
}

function describe(
  error: APIError,
  status: number,
  context: FaultContext,
): { kind: ModelErrorKind; message: string } {
  const said = quote(serverWords(error, context.apiKey));
  if (status === 401) {
    return { kind: 'Unauthorized', message: 'The model server refused the key (401). Check OPENAI_API_KEY.' };
  }
  if (status === 403) {
    return {
      kind: 'Unauthorized',
      message: `The model server does not allow this key to use the model "${context.model}" (403).`,
    };
  }
  if (status === 404) {
    return {
      kind: 'NotFound',
      message: `The model server does not know the model "${context.model}" or the address (404)${said} Check TURNGATE_MODEL and OPENAI_BASE_URL.`,
    };
  }
  if (status === 429 && error.code === 'insufficient_quota') {
    return { kind: 'Unauthorized', message: 'The account of the model server has no quota left (429).' };
  }
  if (status === 429)
    return { kind: 'RateLimited', message: `The model server limits the rate (429)${said}` };
  if (status === 408 || status === 409 || status >= 500) {
    return { kind: 'Unavailable', message: `The model server has a problem (${status})${said}` };
  }
  if (status < 400) {
    return {
      kind: 'NotFound',
      message: `The model server points elsewhere (${status}). Check OPENAI_BASE_URL.`,
    };
  }
  return { kind: 'BadRequest', message: `The model server refused the request (${status})${said}` };
}

function serverWords(error: APIError, apiKey: string): string {
  const words = text(prop(error.error, 'message'));
  return apiKey === '' ? words : words.replaceAll(apiKey, '[key]');
}

function quote(words: string): string {
  const clean = cleanText(words).trim();
  return clean === '' ? '.' : `: ${clean.slice(0, cutAt(clean, quotedChars))}`;
}

/** How long the server asks us to wait: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date. */
function readRetryAfter(headers: Headers | undefined, now = Date.now()): number | undefined {
  const exact = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (Number.isFinite(exact)) return bounded(exact);
  const value = headers?.get('retry-after') ?? '';
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return bounded(Number.parseFloat(value) * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : bounded(date - now);
}

function bounded(ms: number): number {
  return Math.min(Math.max(0, Math.ceil(ms)), maxRetryAfterMs);
}
