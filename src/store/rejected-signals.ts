import type { Db } from './db.ts';

/** Keeps a signal that was ignored, once, for whoever asks why nothing happened; of a session that is gone, nothing. */
export async function recordRejectedSignal(
  db: Db,
  signal: {
    id: string;
    sessionId: string;
    turnId: string | null;
    name: string;
    problem: string;
    payload: string;
  },
): Promise<void> {
  await db.query(
    `insert into rejected_signals (id, session_id, turn_id, signal, problem, payload)
     select $1, id, $3, $4, $5, $6 from sessions where id = $2 on conflict (id) do nothing`,
    [signal.id, signal.sessionId, signal.turnId, signal.name, signal.problem, signal.payload],
  );
}
