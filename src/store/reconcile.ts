import type { Db } from './db.ts';

interface Due {
  name: string;
  table: string;
  /** Which rows stand alone, of table `r`. */
  where: string;
  returning: string;
  at?: string;
  putOff?: string;
}

/**
 * Rows that stand alone: takes what is due, puts off its next look (doubling, up to ten minutes) and answers it. Several
 * workers share the work by `skip locked`, and one that dies costs one delay.
 */
async function takeDue<T extends object>(db: Db, limit: number, due: Due): Promise<T[]> {
  const { table, where, returning, at = 'next_check_at', putOff = doubling(at, 'check_delay_ms') } = due;
  const { rows } = await db.query<T>({
    name: `take-due-${due.name}`,
    text: `update ${table} set ${putOff} where id in (
             select r.id from ${table} r where ${where} and r.${at} <= now()
             order by r.${at} limit $1 for update skip locked)
           returning ${returning}`,
    values: [limit],
  });
  return rows;
}

function doubling(at: string, delayMs: string): string {
  return `${at} = now() + ${delayMs} * interval '1 millisecond', ${delayMs} = least(${delayMs} * 2, 600000)`;
}

export interface DueWake {
  turnId: string;
  sessionId: string;
  userId: string;
}

/** The first queued turn of sessions in which none is running. */
export function takeDueWakes(db: Db, limit: number): Promise<DueWake[]> {
  return takeDue(db, limit, {
    name: 'wakes',
    table: 'turns',
    where: `r.status = 'queued' and not exists (select 1 from turns o where o.session_id = r.session_id
              and (o.status = 'running' or (o.status = 'queued' and o.position < r.position)))`,
    returning: 'id as "turnId", session_id as "sessionId", user_id as "userId"',
  });
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

export interface RunningTurn {
  turnId: string;
  sessionId: string;
  runId: string;
  userId: string;
}
const runningTurn = 'id as "turnId", session_id as "sessionId", run_id as "runId", user_id as "userId"';

/** Running turns that nobody has looked at for about a minute. */
export function takeDueRunning(db: Db, limit: number): Promise<RunningTurn[]> {
  return takeDue(db, limit, {
    name: 'running',
    table: 'turns',
    where: `r.status = 'running'`,
    putOff: `next_check_at = now() + interval '60 seconds'`,
    returning: runningTurn,
  });
}

/** Those of the given runs that have a turn which has not ended. */
export async function findRunningAmong(db: Db, runIds: string[]): Promise<RunningTurn[]> {
  const { rows } = await db.query<RunningTurn>({
    name: 'find-running-among',
    text: `select ${runningTurn} from turns where run_id = any($1) and status = 'running'`,
    values: [runIds],
  });
  return rows;
}

/** Running turns whose cancellation was asked for and has not come about. */
export function takeDueCancels(db: Db, limit: number): Promise<RunningTurn[]> {
  return takeDue(db, limit, {
    name: 'cancels',
    table: 'turns',
    where: `r.status = 'running' and r.cancel_requested_at is not null`,
    at: 'cancel_check_at',
    putOff: doubling('cancel_check_at', 'cancel_delay_ms'),
    returning: runningTurn,
  });
}

export interface DueDecision {
  decisionId: string;
  sessionId: string;
  toolCallId: string;
  approved: boolean;
}

/** Decisions on which their turn has not acted. */
export function takeDueDecisions(db: Db, limit: number): Promise<DueDecision[]> {
  return takeDue(db, limit, {
    name: 'decisions',
    table: 'decisions',
    where: 'r.acted_at is null',
    returning: `id as "decisionId", tool_call_id as "toolCallId", decision = 'approved' as approved,
      (select c.session_id from tool_calls c where c.id = tool_call_id) as "sessionId"`,
  });
}

export interface DueInput {
  requestId: string;
  sessionId: string;
}

/** Answered questions on which whoever asked has not acted. */
export function takeDueInputs(db: Db, limit: number): Promise<DueInput[]> {
  return takeDue(db, limit, {
    name: 'inputs',
    table: 'input_requests',
    where: 'r.action is not null and r.acted_at is null',
    returning: 'id as "requestId", session_id as "sessionId"',
  });
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
