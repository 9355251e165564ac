import { PublicError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { type SocketIoPayload, socketIoErrorTypes } from '../protocol/socket-io-events.ts';
import type { Identity } from './auth.ts';

/** @param about.sessionId the session that it is about, else the connection's id */
export function errorPayload(
  { code, message }: PublicError,
  about: { sessionId: string; id?: string | undefined; details?: { retry_after_ms: number } },
): SocketIoPayload<'error'> {
  const { sessionId: session_id, id, details } = about;
  return {
    type: socketIoErrorTypes[code],
    message,
    timestamp: Date.now(),
    session_id,
    code,
    ...(id === undefined ? {} : { id }),
    ...(details === undefined ? {} : { details }),
  };
}

/** @param identity null for a guest */
export function greetingPayload(
  connectionId: string,
  identity: Identity | null,
): SocketIoPayload<'connection_established'> {
  return {
    status: 'connected',
    session_id: connectionId,
    authenticated: identity !== null,
    user: identity && { id: identity.userId, email: identity.email, name: identity.name },
    timestamp: Date.now(),
  };
}

/** The `id` to echo in an error, where a broken payload has a usable one. */
export function idIn(payload: unknown): string | undefined {
  if (payload === null || typeof payload !== 'object' || !('id' in payload)) return undefined;
  return typeof payload.id === 'string' && payload.id.length <= limits.clientIdChars ? payload.id : undefined;
}

/** Null where it runs out of stack: whoever nests that deep means harm. Thrown from here it would end the process. */
export function charsOf(payload: unknown): number | null {
  try {
    return JSON.stringify(payload)?.length ?? 0;
  } catch {
    // What was parsed can always be written again, but for its depth.
    return null;
  }
}

export function tooDeep(): PublicError {
  return new PublicError('validation_error', 'This cannot be read; it is nested too deeply.');
}
