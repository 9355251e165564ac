import type { Bounds, LimitName, Use } from '../protocol/turn-limits.ts';
import type { Db, Tx } from './db.ts';

/** Kept for whoever wants to know what the last month cost. */
const keptDays = 35;
/** Rows that one statement removes. */
const batchRows = 5_000;

/** What an attempt of a step used. */
export interface Spent {
  inputTokens: number;
  outputTokens: number;
  /** The model's server told nothing, so it was counted by the characters. */
  isEstimate: boolean;
  /** In the currency of the prices; null where the model has none. */
  cost: number | null;
  /** How long it worked. */
  ms: number;
}

/** Counts an attempt of a step, once. */
export async function recordStep(
  tx: Tx,
  of: { turnId: string; step: number; attempt: number; model: string | null; spent: Spent },
): Promise<void> {
  const { turnId, step, attempt, model, spent } = of;
  await tx.query({
    name: 'record-step-use',
    text: `insert into usage (turn_id, step, kind, ordinal, tenant, user_id, model, input_tokens, output_tokens, is_estimate, cost, worked)
           select t.id, $2, 'step', $3, s.tenant, t.user_id, $4, $5, $6, $7, $8,
             tstzmultirange(tstzrange(now() - $9 * interval '1 millisecond', now()))
           from turns t join sessions s on s.id = t.session_id where t.id = $1
           on conflict do nothing`,
    values: [
      ...[turnId, step, attempt, model],
      ...[spent.inputTokens, spent.outputTokens, spent.isEstimate, spent.cost, spent.ms],
    ],
  });
}

/** A call's place in its turn. */
interface CallPlace {
  turn_id: string;
  step: number;
  ordinal: number;
}

/** Counts a tool call that is about to begin, once, however many attempts it takes. */
export async function recordCall(tx: Tx, call: CallPlace): Promise<void> {
  await tx.query({
    name: 'record-call-use',
    text: `insert into usage (turn_id, step, kind, ordinal, tenant, user_id)
           select t.id, $2, 'call', $3, s.tenant, t.user_id from turns t join sessions s on s.id = t.session_id where t.id = $1
           on conflict do nothing`,
    values: [call.turn_id, call.step, call.ordinal],
  });
}

/** A call that had begun has ended: the time in which it asked people is not its own. */
export async function recordCallEnd(tx: Tx, call: CallPlace & { id: string }): Promise<void> {
  await tx.query({
    name: 'record-call-time',
    text: `update usage set worked = tstzmultirange(tstzrange(began_at, greatest(now(), began_at))) - coalesce((
             select range_agg(tstzrange(asked_at, coalesce(answered_at, now()))) from input_requests where tool_call_id = $4), '{}')
           where turn_id = $1 and step = $2 and kind = 'call' and ordinal = $3 and worked is null`,
    values: [call.turn_id, call.step, call.ordinal, call.id],
  });
}

export interface DayUse extends Use {
  /** `YYYY-MM-DD`, of UTC. */
  day: string;
  input_tokens: number;
  output_tokens: number;
  /** Of models without a price. */
  unpriced_tokens: number;
}

/**
 * Times of calls that run side by side count once in a turn; turns that do count each.
 * @param times without them it is quicker, for a user with thousands of steps a day
 */
const summed = (where: string, times: boolean) => `
  select coalesce(sum(steps), 0)::int as steps, coalesce(sum(calls), 0)::int as tool_calls,
    coalesce(sum(input + output), 0)::bigint as tokens, coalesce(sum(cost), 0)::float8 as cost,
    coalesce(round(sum(ms)), 0)::bigint as wall_time_ms,
    to_char(now() at time zone 'utc', 'YYYY-MM-DD') as day,
    coalesce(sum(input), 0)::bigint as input_tokens, coalesce(sum(output), 0)::bigint as output_tokens,
    coalesce(sum(unpriced), 0)::bigint as unpriced_tokens
  from (
    select count(distinct step) filter (where kind = 'step') as steps, count(*) filter (where kind = 'call') as calls,
      sum(input_tokens) as input, sum(output_tokens) as output, sum(cost) as cost,
      sum(input_tokens + output_tokens) filter (where cost is null) as unpriced,
      ${times ? '(select sum(extract(epoch from upper(r) - lower(r)) * 1000) from unnest(range_agg(worked)) r)' : '0'} as ms
    from usage where ${where} group by turn_id
  ) u`;

const noUse: DayUse = {
  ...{ steps: 0, tool_calls: 0, tokens: 0, cost: 0, wall_time_ms: 0 },
  ...{ day: '', input_tokens: 0, output_tokens: 0, unpriced_tokens: 0 },
};

/** @param times whether the time is wanted; 0 where not */
export async function readTurnUse(tx: Tx, turnId: string, times: boolean): Promise<Use & { day: string }> {
  const { rows } = await tx.query<DayUse>({
    name: `read-turn-use ${times}`,
    text: summed('turn_id = $1', times),
    values: [turnId],
  });
  return rows[0] ?? noUse;
}

const today = `day = (now() at time zone 'utc')::date`;

/** What all turns of a user have used today. */
export async function readDayUse(db: Db, user: { tenant: string; userId: string }): Promise<DayUse> {
  const { rows } = await db.query<DayUse>({
    name: 'read-day-use',
    text: summed(`tenant = $1 and user_id = $2 and ${today}`, true),
    values: [user.tenant, user.userId],
  });
  return rows[0] ?? noUse;
}

/** The same of a user who takes part in a session. @param times whether the time is wanted; 0 where not */
export async function readDayUseIn(
  tx: Tx,
  user: { sessionId: string; userId: string },
  times: boolean,
): Promise<DayUse> {
  const { rows } = await tx.query<DayUse>({
    name: `read-day-use-in ${times}`,
    text: summed(`tenant = (select tenant from sessions where id = $1) and user_id = $2 and ${today}`, times),
    values: [user.sessionId, user.userId],
  });
  return rows[0] ?? noUse;
}

/** What people allowed a user above the limits of this day. */
export async function readDayGrants(db: Db, user: { tenant: string; userId: string }): Promise<Bounds> {
  const { rows } = await db.query<{ name: LimitName; more: number }>({
    name: 'read-day-grants',
    text: `select name, sum(more)::float8 as more from limit_grants
           where scope = 'user_day' and tenant = $1 and user_id = $2 and ${today} group by name`,
    values: [user.tenant, user.userId],
  });
  return Object.fromEntries(rows.map(({ name, more }) => [name, more]));
}

/** Removes what is older than anybody asks for, some of it at a time. */
export async function sweepUsage(db: Db): Promise<void> {
  for (const table of ['usage', 'limit_grants']) {
    await db.query(
      `delete from ${table} where ctid in (
         select ctid from ${table} where day < (now() at time zone 'utc')::date - $1::int limit $2)`,
      [keptDays, batchRows],
    );
  }
}
