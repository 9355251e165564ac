import type { ErrorCode } from '../protocol/errors.ts';

/**
 * Why something failed: a code of the protocol, or one of the client's own. `network`: nobody answered; `closed`: the
 * session was closed or has stopped; `queue_full`: too much waits for an answer; `too_large`: more than a frame may hold.
 */
export type ClientErrorCode = ErrorCode | 'network' | 'closed' | 'queue_full' | 'too_large';

/** What every promise of this client rejects with; `message` is a sentence for people. */
export class TurngateError extends Error {
  override readonly name = 'TurngateError';
  readonly code: ClientErrorCode;
  /** The HTTP status, where one was answered. */
  readonly status: number | null;

  constructor(code: ClientErrorCode, message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? null;
  }
}

/** What was thrown, in words. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  // fetch hides what happened in its cause.
  return cause instanceof Error && cause.message !== ''
    ? `${error.message}: ${cause.message}`
    : error.message;
}

export function rejected(error: TurngateError): Promise<never> {
  return unwatched(Promise.reject<never>(error));
}

/** The same promise, whose rejection ends no process where nobody waits for it. */
export function unwatched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
