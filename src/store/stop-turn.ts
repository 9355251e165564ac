import type { Tx } from './db.ts';
import type { StoredEvent } from './events.ts';
import { finishTurn } from './turn-end.ts';

/** Who stops a turn, and whether its text stays: only a `rollback` drops it. */
export interface Stop {
  sessionId: string;
  userId: string;
  kind: 'cancel' | 'interrupt' | 'rollback';
}

/**
 * Stops a turn that has not ended. A queued one ends here; a running one is marked, and whoever works on it looks at
 * the mark. The first mark stands. The caller holds the session's lock.
 */
export async function stopTurn(
  tx: Tx,
  turn: { id: string; status: 'queued' | 'running' },
  stop: Stop,
): Promise<{ events: StoredEvent[] }> {
  await tx.query({
    name: 'mark-cancelled',
    text: `update turns set cancel_requested_at = now(), cancel_requested_by = $2, cancel_kind = $3,
             cancel_check_at = now() + interval '2 seconds', cancel_delay_ms = 2000
           where id = $1 and cancel_requested_at is null`,
    values: [turn.id, stop.userId, stop.kind],
  });
  if (turn.status === 'running') return { events: [] };
  return finishTurn(tx, { sessionId: stop.sessionId, turnId: turn.id, status: 'cancelled' });
}
