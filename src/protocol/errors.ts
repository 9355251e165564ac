import { z } from 'zod';

/** Error codes of the wire, the same in frames and in `application/problem+json`. Each has a page in docs/errors/. */
export const errorCode = z.enum([
  'unauthorized',
  'forbidden',
  'not_found',
  'validation_error',
  'rate_limit',
  'conflict',
  'busy',
  'tool_error',
  'model_error',
  'processing_error',
  'unavailable',
]);
export type ErrorCode = z.infer<typeof errorCode>;

/** What went wrong inside a turn or a tool call, as stored and as sent. */
export const errorBody = z.object({ code: errorCode, message: z.string() });
export type ErrorBody = z.infer<typeof errorBody>;

/** An error that may be shown to a client as it stands. */
export class PublicError extends Error {
  override readonly name = 'PublicError';
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The HTTP status of each code. */
export const httpStatus: Record<ErrorCode, number> = {
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  validation_error: 400,
  rate_limit: 429,
  conflict: 409,
  busy: 409,
  tool_error: 502,
  model_error: 502,
  processing_error: 500,
  unavailable: 503,
};
