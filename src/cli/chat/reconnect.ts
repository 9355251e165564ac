import { closeCodes } from '../../protocol/close-codes.ts';

/** What a client does when its socket was closed. */
export type AfterClose =
  | { kind: 'retry'; why: string; delayMs?: number }
  | { kind: 'new_token'; why: string }
  | { kind: 'stop'; why: string };

const firstMs = 100;
const lastMs = 5_000;
/** The longest time that a gateway can send a client away for. */
const maxAwayMs = 30_000;
/** Close codes of the protocol that this gateway does not send yet. */
const later = { replaced: 4000, tokenExpired: 4010, tooMany: 4029 } as const;

const { unauthorized, accessDenied, sessionNotFound, frameTooLarge, restarting, idle, tooSlow } = closeCodes;

/** Milliseconds before the next try: doubling, bounded, and spread so that a herd does not come back at once. */
export function backoffMs(failures: number, random: () => number): number {
  const most = Math.min(lastMs, firstMs * 2 ** Math.min(failures, 16));
  return Math.round(most * (0.5 + random() / 2));
}

export function afterClose(code: number, reason: string): AfterClose {
  switch (code) {
    case unauthorized.code:
      return { kind: 'new_token', why: 'The gateway does not accept the token; start again with a new one.' };
    case later.tokenExpired:
      return { kind: 'new_token', why: 'The token has expired; start again with a new one.' };
    case accessDenied.code:
      return { kind: 'stop', why: 'You do not take part in this session; /new opens one of your own.' };
    case sessionNotFound.code:
      return { kind: 'stop', why: 'This session does not exist there; /new opens another.' };
    case frameTooLarge.code:
      return {
        kind: 'stop',
        why: 'What was sent is larger than the gateway takes; start again and send less.',
      };
    case later.replaced:
      return { kind: 'stop', why: 'Another connection has taken this one’s place.' };
    case restarting.code:
      return { kind: 'retry', why: 'the gateway restarts', ...awayFor(reason) };
    case idle.code:
    case tooSlow.code:
    case later.tooMany:
      return { kind: 'retry', why: reason };
    default:
      return { kind: 'retry', why: reason || 'the connection was lost' };
  }
}

/** `Server restarting; retry_after_ms=1000` */
function awayFor(reason: string): { delayMs?: number } {
  const ms = Number(/retry_after_ms=(\d{1,9})/.exec(reason)?.[1] ?? Number.NaN);
  return Number.isNaN(ms) ? {} : { delayMs: Math.min(ms, maxAwayMs) };
}
