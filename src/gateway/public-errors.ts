import { errorCode, errorText } from '../protocol/error-text.ts';
import { PublicError } from '../protocol/errors.ts';

/** Postgres error classes of a server that goes away, comes back or has no connection left. */
const awayClasses = /^(08|53|57P)/;
const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'ENOENT',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
]);
/** The driver has no codes of its own for these. */
const driverWords = /connection terminated|timeout exceeded when trying to connect|not queryable/i;

/** What a client may be told about a failure; whatever is not ours to tell becomes `processing_error`. */
export function publicError(error: unknown): PublicError {
  if (error instanceof PublicError) return error;
  if (isStoreAway(error)) {
    return new PublicError(
      'unavailable',
      'The store cannot be reached just now, so nothing was saved for certain. Send it again with the same id.',
    );
  }
  return new PublicError(
    'processing_error',
    'Something failed inside the gateway. It was logged; send it again, and tell the operator if it stays.',
  );
}

function isStoreAway(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  return networkCodes.has(code) || awayClasses.test(code) || driverWords.test(errorText(error));
}
