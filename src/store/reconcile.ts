import type { Db } from './db.ts';

/*
 * Rows that stand alone. Each query takes what is due, puts off its next look (doubling, up to ten minutes) and
 * answers it: several workers share the work by `skip locked`, and one that dies costs one delay.
 */

export interface DueWake {
  turnId: string;
  sessionId: string;
  userId: string;
}

/** The first queued turn of sessions in which none is running. */
export async function takeDueWakes(db: Db, limit: number): Promise<DueWake[]> {
  const { rows } = await db.query<DueWake>({
    name: 'take-due-wakes',
    text: `update turns set next_check_at = now() + check_delay_ms * interval '1 millisecond',
             check_delay_ms = least(check_delay_ms * 2, 600000)
           where id in (
             select t.id from turns t
             where t.status = 'queued' and t.next_check_at <= now()
               and not exists (select 1 from turns o where o.session_id = t.session_id
                 and (o.status = 'running' or (o.status = 'queued' and o.position < t.position)))
             order by t.next_check_at limit $1 for update skip locked)
           returning id as "turnId", session_id as "sessionId", user_id as "userId"`,
    values: [limit],
  });
  return rows;
}

export interface RunningTurn {
  turnId: string;
  sessionId: string;
  runId: string;
  userId: string;
}

/** Looks soon after the first waiting turns of these sessions, whose runs were closed before they began them. */
export async function hastenWakes(db: Db, sessionIds: string[]): Promise<void> {
  await db.query({
    name: 'hasten-wakes',
    text: `update turns set next_check_at = now(), check_delay_ms = 2000
           where session_id = any($1) and status = 'queued' and check_delay_ms > 8000`,
    values: [sessionIds],
  });
}

/** Running turns that nobody has looked at for about a minute. */
export async function takeDueRunning(db: Db, limit: number): Promise<RunningTurn[]> {
  const { rows } = await db.query<RunningTurn>({
    name: 'take-due-running',
    text: `update turns set next_check_at = now() + interval '60 seconds'
           where id in (
             select id from turns where status = 'running' and next_check_at <= now()
             order by next_check_at limit $1 for update skip locked)
           returning id as "turnId", session_id as "sessionId", run_id as "runId", user_id as "userId"`,
    values: [limit],
  });
  return rows;
}

/** Those of the given runs that have a turn which has not ended. */
export async function findRunningAmong(db: Db, runIds: string[]): Promise<RunningTurn[]> {
  const { rows } = await db.query<RunningTurn>({
    name: 'find-running-among',
    text: `select id as "turnId", session_id as "sessionId", run_id as "runId", user_id as "userId"
           from turns where run_id = any($1) and status = 'running'`,
    values: [runIds],
  });
  return rows;
}

export interface DueDecision {
  decisionId: string;
  sessionId: string;
  toolCallId: string;
  approved: boolean;
}

/** Decisions on which their turn has not acted. */
export async function takeDueDecisions(db: Db, limit: number): Promise<DueDecision[]> {
  const { rows } = await db.query<DueDecision>({
    name: 'take-due-decisions',
    text: `update decisions d set next_check_at = now() + check_delay_ms * interval '1 millisecond',
             check_delay_ms = least(check_delay_ms * 2, 600000)
           from tool_calls c
           where c.id = d.tool_call_id and d.id in (
             select id from decisions where acted_at is null and next_check_at <= now()
             order by next_check_at limit $1 for update skip locked)
           returning d.id as "decisionId", c.session_id as "sessionId", c.id as "toolCallId",
             d.decision = 'approved' as approved`,
    values: [limit],
  });
  return rows;
}

export interface DueInput {
  requestId: string;
  sessionId: string;
}

/** Answered questions on which whoever asked has not acted. */
export async function takeDueInputs(db: Db, limit: number): Promise<DueInput[]> {
  const { rows } = await db.query<DueInput>({
    name: 'take-due-inputs',
    text: `update input_requests set next_check_at = now() + check_delay_ms * interval '1 millisecond',
             check_delay_ms = least(check_delay_ms * 2, 600000)
           where id in (
             select id from input_requests where action is not null and acted_at is null and next_check_at <= now()
             order by next_check_at limit $1 for update skip locked)
           returning id as "requestId", session_id as "sessionId"`,
    values: [limit],
  });
  return rows;
}

/** Running turns whose cancellation was asked for and has not come about. */
export async function takeDueCancels(db: Db, limit: number): Promise<RunningTurn[]> {
  const { rows } = await db.query<RunningTurn>({
    name: 'take-due-cancels',
    text: `update turns set cancel_check_at = now() + cancel_delay_ms * interval '1 millisecond',
             cancel_delay_ms = least(cancel_delay_ms * 2, 600000)
           where id in (
             select id from turns where status = 'running' and cancel_requested_at is not null and cancel_check_at <= now()
             order by cancel_check_at limit $1 for update skip locked)
           returning id as "turnId", session_id as "sessionId", run_id as "runId", user_id as "userId"`,
    values: [limit],
  });
  return rows;
}

/** Rows of which something could not be told. */
export interface Untold {
  turnIds?: string[];
  decisionIds?: string[];
  requestIds?: string[];
}

/** Looks again soon: the attempt to make these move on did not get through. */
export async function retrySoon(
  db: Db,
  { turnIds = [], decisionIds = [], requestIds = [] }: Untold,
): Promise<void> {
  await db.query({
    name: 'retry-turns-soon',
    text: `update turns set next_check_at = now() + interval '2 seconds', check_delay_ms = 2000,
             cancel_check_at = now() + interval '2 seconds', cancel_delay_ms = 2000 where id = any($1)`,
    values: [turnIds],
  });
  for (const [table, ids] of [
    ['decisions', decisionIds],
    ['input_requests', requestIds],
  ] as const) {
    await db.query({
      name: `retry-${table}-soon`,
      text: `update ${table} set next_check_at = now() + interval '2 seconds', check_delay_ms = 2000 where id = any($1)`,
      values: [ids],
    });
  }
}

/** Drafts that a dying process wrote after their stream had ended. */
export async function sweepDrafts(db: Db): Promise<void> {
  await db.query(`delete from drafts where updated_at < now() - interval '1 day'`);
}

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
