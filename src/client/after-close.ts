import type { StopCode } from './state.ts';

/** What a client does when its socket was closed. */
export type AfterClose =
  | { kind: 'retry'; why: string; delayMs?: number }
  | { kind: 'new_token'; why: string }
  /** The largest frame that waits for its answer is not sent again. */
  | { kind: 'drop_largest'; why: string }
  | { kind: 'stop'; why: string; code: StopCode };

const firstMs = 100;
const lastMs = 5_000;
/** The longest time that a gateway can send a client away for. */
const maxAwayMs = 30_000;

/** Milliseconds before the next try: doubling, bounded, and spread so that a herd does not come back at once. */
export function backoffMs(failures: number, random: () => number): number {
  const most = Math.min(lastMs, firstMs * 2 ** Math.min(failures, 16));
  return Math.round(most * (0.5 + random() / 2));
}

/** Close codes are those of docs/protocol.md. */
export function afterClose(code: number, reason: string): AfterClose {
  switch (code) {
    case 4000:
      return { kind: 'stop', code: 'replaced', why: 'Another connection has taken this one’s place.' };
    case 4001:
      return { kind: 'new_token', why: 'The gateway does not accept the token.' };
    case 4010:
      return { kind: 'new_token', why: 'The token has expired.' };
    case 4003:
      return { kind: 'stop', code: 'forbidden', why: 'You do not take part in this session.' };
    case 4004:
      return { kind: 'stop', code: 'not_found', why: 'There is no such session.' };
    case 4013:
      return { kind: 'drop_largest', why: 'a frame was larger than the gateway takes' };
    case 1008:
      return { kind: 'stop', code: 'refused', why: `The gateway refuses this connection: ${reason}.` };
    case 1012:
      return { kind: 'retry', why: 'the gateway restarts', ...awayFor(reason) };
    default:
      return { kind: 'retry', why: reason || 'the connection was lost', ...awayFor(reason) };
  }
}

/** `Server restarting; retry_after_ms=1000` */
function awayFor(reason: string): { delayMs?: number } {
  const ms = /retry_after_ms=(\d{1,9})/.exec(reason)?.[1];
  return ms === undefined ? {} : { delayMs: Math.min(Number(ms), maxAwayMs) };
}
