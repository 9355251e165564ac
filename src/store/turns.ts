import { PublicError } from '../protocol/errors.ts';
import type { Db, Tx } from './db.ts';
import { lockSession, transaction } from './db.ts';
import type { StoredEvent } from './events.ts';
import { checkRight } from './participants.ts';
import { stopTurn } from './stop-turn.ts';
import { finishTurn, type TurnEnded, type TurnEnding } from './turn-end.ts';

export type TurnStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

/**
 * Asks for a turn's end. A queued turn ends here; a running one is marked, and whoever works on it looks at the
 * mark; what was said so far stays. A turn that has ended stays as it is.
 * @param request.turnId without one: the running turn, else the first queued one
 * @throws PublicError `not_found`, `forbidden` (their role may not)
 */
export async function requestCancel(
  db: Db,
  request: { sessionId: string; turnId?: string | undefined; userId: string },
): Promise<{ turnId: string; running: boolean; events: StoredEvent[] }> {
  return transaction(db, async (tx) => {
    const [, , turn] = await Promise.all([
      lockSession(tx, request.sessionId),
      checkRight(tx, request, 'cancel'),
      findTarget(tx, request),
    ]);
    if (!turn) {
      throw new PublicError(
        'not_found',
        request.turnId === undefined
          ? 'Nothing is running in this session.'
          : 'There is no such turn in this session.',
      );
    }
    const { id: turnId, status } = turn;
    if (status !== 'running' && status !== 'queued') return { turnId, running: false, events: [] };
    const { events } = await stopTurn(tx, { id: turnId, status }, { ...request, kind: 'cancel' });
    return { turnId, running: status === 'running', events };
  });
}

async function findTarget(
  tx: Tx,
  request: { sessionId: string; turnId?: string | undefined },
): Promise<{ id: string; status: TurnStatus } | undefined> {
  const { rows } = await tx.query<{ id: string; status: TurnStatus }>(
    request.turnId === undefined
      ? {
          text: `select id, status from turns where session_id = $1 and status in ('queued', 'running') order by position limit 1`,
          values: [request.sessionId],
        }
      : {
          text: 'select id, status from turns where session_id = $1 and id = $2',
          values: [request.sessionId, request.turnId],
        },
  );
  return rows[0];
}

/** Where a turn stands, for whoever works on it. */
export async function readTurnState(
  db: Db,
  turnId: string,
): Promise<{ status: TurnStatus; runId: string | null; cancelRequested: boolean } | null> {
  const { rows } = await db.query<{ status: TurnStatus; run_id: string | null; cancel_requested: boolean }>({
    name: 'read-turn-state',
    text: 'select status, run_id, cancel_requested_at is not null as cancel_requested from turns where id = $1',
    values: [turnId],
  });
  const row = rows[0];
  return row ? { status: row.status, runId: row.run_id, cancelRequested: row.cancel_requested } : null;
}

/**
 * Ends the running turn of a run, if it has one that has not ended, and says whether turns wait. Safe to repeat.
 * A turn that a person asked to cancel ends as cancelled, whatever else went wrong meanwhile.
 */
export async function endRunningTurn(
  db: Db,
  ending: Omit<TurnEnding, 'turnId'> & { runId: string },
): Promise<TurnEnded & { turnId: string | null }> {
  return transaction(db, async (tx) => {
    const [, found] = await Promise.all([
      lockSession(tx, ending.sessionId),
      tx.query<{ id: string; cancel_requested: boolean }>({
        name: 'find-running-turn',
        text: `select id, cancel_requested_at is not null as cancel_requested from turns
               where session_id = $1 and run_id = $2 and status = 'running'`,
        values: [ending.sessionId, ending.runId],
      }),
    ]);
    const turn = found.rows[0];
    if (!turn) return { turnId: null, moreWaiting: await turnsWait(tx, ending.sessionId), events: [] };
    const cancelled = turn.cancel_requested || ending.status === 'cancelled';
    const ended = await finishTurn(tx, {
      sessionId: ending.sessionId,
      turnId: turn.id,
      status: cancelled ? 'cancelled' : ending.status,
      error: cancelled ? undefined : ending.error,
      debug: ending.debug,
    });
    return { ...ended, turnId: turn.id };
  });
}

async function turnsWait(tx: Tx, sessionId: string): Promise<boolean> {
  const { rowCount } = await tx.query({
    name: 'turns-wait',
    text: `select 1 from turns where session_id = $1 and status = 'queued' limit 1`,
    values: [sessionId],
  });
  return rowCount === 1;
}

/** The turn that a run has claimed. */
export async function findTurnOfRun(
  db: Db,
  sessionId: string,
  runId: string,
): Promise<{ turnId: string; status: TurnStatus; cancelRequested: boolean } | null> {
  const { rows } = await db.query<{ turnId: string; status: TurnStatus; cancelRequested: boolean }>({
    name: 'find-turn-of-run',
    text: `select id as "turnId", status, cancel_requested_at is not null as "cancelRequested"
           from turns where session_id = $1 and run_id = $2`,
    values: [sessionId, runId],
  });
  return rows[0] ?? null;
}
