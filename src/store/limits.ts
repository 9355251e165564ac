import type { ErrorBody } from '../protocol/errors.ts';
import {
  type Bounds,
  type LimitName,
  type LimitScope,
  limitNames,
  type TurnLimits,
  type Use,
} from '../protocol/turn-limits.ts';
import type { Tx } from './db.ts';
import type { NewEvent } from './events.ts';
import { limitError, limitQuestion, moreIn, mostError, type Reached } from './limit-words.ts';
import { askQuestion, readAsked } from './questions.ts';
import type { OpenQuestion } from './steps.ts';
import { readDayUseIn, readTurnUse } from './usage.ts';

/** Who is about to go on with what. */
export interface AtLimits {
  sessionId: string;
  turnId: string;
  userId: string;
  limits: TurnLimits;
  /** The question about a limit at which the turn stands. */
  limitKey: string | null;
  /** How long people have for an answer, where the session says nothing of it. */
  questionMs: number;
}

export type Passage =
  /** `granted`: the steps above the limit that people allowed this turn. */
  | { kind: 'free'; granted: number }
  /** People are asked; what is to go on waits for them. `events` are the caller's to append. */
  | { kind: 'asked'; question: OpenQuestion; events: NewEvent[] }
  /** They said no, or nothing in time, or (`isMost`) nobody may say yes: the turn is to end with this. */
  | { kind: 'over'; error: ErrorBody; isMost: boolean };

/**
 * Whether a turn is within its limits, of those that `watched` names; where one is reached, people are asked whether it
 * may go on. One question at a time, asked and counted once: the caller holds the session's lock and knows that the turn
 * runs. Turns of one user in other sessions are not locked out: each may begin one step and its calls beside this one.
 */
export async function passLimits(
  tx: Tx,
  at: AtLimits,
  watched: readonly LimitName[],
  options: {
    /** Of the turn, where it is known better than by what was counted. */
    known?: Partial<Use>;
    /** Others may wait for the same answer: it is told on until {@link settleCallLimits}. */
    othersWait?: boolean;
  } = {},
): Promise<Passage> {
  const limits = new Limits(tx, at);
  const { turnId, limitKey } = at;
  const [asked] = await Promise.all([
    limitKey === null ? null : readAsked(tx, { turnId, key: limitKey, othersWait: options.othersWait }),
    limits.read(options.known ?? {}),
  ]);
  if (asked) {
    const { answer, question } = asked;
    if (answer === null) return { kind: 'asked', question, events: [] };
    const place = placeOf(limitKey);
    const more = answer.action === 'accept' ? moreIn(place.name, answer.content) : 0;
    if (more === 0) {
      const message = limitError(place.name, place.scope, answer.by);
      return { kind: 'over', error: { code: 'processing_error', message }, isMost: false };
    }
    await limits.grant(place, more);
  }
  const reached = limits.reached(watched);
  if (reached && reached.used >= reached.most) {
    return { kind: 'over', error: { code: 'processing_error', message: mostError(reached) }, isMost: true };
  }
  if (reached) return limits.ask(reached);
  return { kind: 'free', granted: limits.granted('turn', 'steps') };
}

/**
 * The last call that may have waited for an answer about a limit is about to begin, so nobody needs to be told of it any
 * more. Before that a lost signal would leave the others waiting for ever, though one of them has read the answer.
 */
export async function settleCallLimits(tx: Tx, call: { id: string; turn_id: string }): Promise<void> {
  await tx.query({
    name: 'settle-call-limits',
    text: `update input_requests set acted_at = now()
           where turn_id = $2 and kind = 'limit' and action is not null and acted_at is null and not exists (
             select 1 from tool_calls where turn_id = $2 and id <> $1 and status = 'ready'
               and (attempt = 0 or unsent_attempt = attempt and not was_lost))`,
    values: [call.id, call.turn_id],
  });
}

/** A call of the turn that is under way, and not at a question to people, is carried through before a limit ends the turn. */
export async function isUnderWay(tx: Tx, turnId: string): Promise<boolean> {
  const { rowCount } = await tx.query({
    name: 'calls-under-way',
    text: `select from tool_calls c where c.turn_id = $1 and c.status = 'running' and not exists
             (select from input_requests q where q.tool_call_id = c.id and q.action is null) limit 1`,
    values: [turnId],
  });
  return rowCount === 1;
}

interface Place {
  key: string;
  scope: LimitScope;
  name: LimitName;
  day: string;
}

/** `limit:<scope>:<name>:<day>:<how often before>`. */
function placeOf(key: string | null): Place {
  const [, scope, name, day = ''] = key?.split(':') ?? [];
  const known = limitNames.find((one) => one === name);
  if (key === null || known === undefined) throw new Error(`"${key}" is no question about a limit.`);
  return { key, scope: scope === 'turn' ? 'turn' : 'user_day', name: known, day };
}

interface GrantRow {
  scope: LimitScope;
  name: LimitName;
  more: number;
  /** How often this turn was allowed more. */
  times: number;
}

/** Where a turn and its user's day stand. */
class Limits {
  readonly #tx: Tx;
  readonly #at: AtLimits;
  #day = '';
  #use = new Map<LimitScope, Use>();
  #grants: GrantRow[] = [];

  constructor(tx: Tx, at: AtLimits) {
    this.#tx = tx;
    this.#at = at;
  }

  /** One round trip: the queries do not wait for each other. */
  async read(known: Partial<Use>): Promise<void> {
    const { turnId, sessionId, userId, limits } = this.#at;
    const ofDay = Object.keys(limits.userDay).length > 0;
    const [turn, day, grants] = await Promise.all([
      readTurnUse(this.#tx, turnId, limits.turn.wall_time_ms !== undefined),
      ofDay ? readDayUseIn(this.#tx, { sessionId, userId }, limits.userDay.wall_time_ms !== undefined) : null,
      readGrants(this.#tx, this.#at),
    ]);
    this.#day = turn.day;
    this.#use.set('turn', { ...turn, ...known });
    if (day) this.#use.set('user_day', day);
    this.#grants = grants;
  }

  granted(scope: LimitScope, name: LimitName): number {
    return this.#grantOf(scope, name)?.more ?? 0;
  }

  #grantOf(scope: LimitScope, name: LimitName): GrantRow | undefined {
    return this.#grants.find((grant) => grant.scope === scope && grant.name === name);
  }

  /** The first limit that is reached; those of the turn come first. */
  reached(watched: readonly LimitName[]): Reached | undefined {
    for (const scope of ['turn', 'user_day'] as const) {
      for (const name of watched) {
        const limit = this.#boundsOf(scope)[name];
        const used = this.#use.get(scope)?.[name] ?? 0;
        const most = this.#mostOf(scope)?.[name] ?? Number.POSITIVE_INFINITY;
        if (limit === undefined || used < Math.min(limit + this.granted(scope, name), most)) continue;
        return { scope, name, limit, most, used, userId: this.#at.userId };
      }
    }
    return undefined;
  }

  #boundsOf(scope: LimitScope): Bounds {
    return scope === 'turn' ? this.#at.limits.turn : this.#at.limits.userDay;
  }

  #mostOf(scope: LimitScope): Bounds | undefined {
    const { atMost } = this.#at.limits;
    return scope === 'turn' ? atMost?.turn : atMost?.userDay;
  }

  /** `more` counts from what was used when it was allowed: whatever was used above the limit, it is not used up by it. */
  async grant({ key, scope, name, day }: Place, more: number): Promise<void> {
    const { turnId, sessionId, userId } = this.#at;
    const limit = this.#boundsOf(scope)[name] ?? 0;
    const used = day === this.#day || scope === 'turn' ? (this.#use.get(scope)?.[name] ?? 0) : 0;
    const above = Math.max(0, used - limit - this.granted(scope, name)) + more;
    await Promise.all([
      this.#tx.query({
        name: 'grant-more',
        text: `insert into limit_grants (turn_id, key, scope, name, tenant, user_id, day, more)
               select $1, $2, $3, $4, tenant, $6, $7, $8 from sessions where id = $5`,
        values: [turnId, key, scope, name, sessionId, userId, day, above],
      }),
      this.#standAt(null),
    ]);
    // Of a day that is over, nothing counts today.
    if (scope === 'user_day' && day !== this.#day) return;
    const before = this.#grantOf(scope, name);
    if (before) Object.assign(before, { more: before.more + above, times: before.times + 1 });
    else this.#grants.push({ scope, name, more: above, times: 1 });
  }

  async ask(reached: Reached): Promise<Passage> {
    const { sessionId, turnId, questionMs } = this.#at;
    const { scope, name } = reached;
    const key = ['limit', scope, name, this.#day, this.#grantOf(scope, name)?.times ?? 0].join(':');
    const { message, schema } = limitQuestion(reached);
    const [{ question, events }] = await Promise.all([
      askQuestion(this.#tx, {
        ...{ sessionId, turnId, kind: 'limit', key, message, schema, timeoutMs: questionMs },
      }),
      this.#standAt(key),
    ]);
    return { kind: 'asked', question, events };
  }

  async #standAt(key: string | null): Promise<void> {
    await this.#tx.query({
      name: 'stand-at-limit',
      text: 'update turns set limit_key = $2 where id = $1',
      values: [this.#at.turnId, key],
    });
  }
}

async function readGrants(tx: Tx, at: AtLimits): Promise<GrantRow[]> {
  const { rows } = await tx.query<GrantRow>({
    name: 'read-grants',
    text: `select scope, name, sum(more)::float8 as more, count(*) filter (where turn_id = $1)::int as times
           from limit_grants
           where turn_id = $1 and scope = 'turn' or scope = 'user_day' and user_id = $3
             and tenant = (select tenant from sessions where id = $2) and day = (now() at time zone 'utc')::date
           group by scope, name`,
    values: [at.turnId, at.sessionId, at.userId],
  });
  return rows;
}
