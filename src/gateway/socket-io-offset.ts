import { limits } from '../protocol/limits.ts';
import { sessionIdPattern } from './session-id.ts';

/** How far a connection has been told of each session, by its id. */
export type Cursors = Map<string, number>;

/**
 * Cursors as one string. It goes out behind an event as Socket.IO's own `offset`: its client keeps the last one and
 * sends it back at a reconnect by itself, to whichever gateway.
 */
export function offsetOf(cursors: Cursors): string {
  return [...cursors].map(([sessionId, seq]) => `${sessionId}:${seq}`).join(',');
}

/** What of an offset can be understood; a client can send anything. */
export function cursorsOf(offset: string | undefined): Cursors {
  const cursors: Cursors = new Map();
  for (const part of (offset ?? '').split(',').slice(0, limits.socketIoSessions)) {
    const [sessionId = '', digits = ''] = part.split(':');
    const seq = Number(digits);
    if (!sessionIdPattern.test(sessionId) || !/^\d+$/.test(digits) || !Number.isSafeInteger(seq)) continue;
    cursors.set(sessionId, seq);
  }
  return cursors;
}
