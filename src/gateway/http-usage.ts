import { type UsageView, usageView } from '../protocol/http-usage.ts';
import type { TurnLimits } from '../protocol/turn-limits.ts';
import type { Db } from '../store/db.ts';
import { readDayGrants, readDayUse } from '../store/usage.ts';
import type { HttpRouter } from './http-router.ts';

/** The limits as they are now. */
export interface LimitsNow {
  current(): Promise<TurnLimits>;
}

const about = {
  read: {
    summary: 'What your turns have used today (UTC), and what they may.',
    answers: { 200: usageView },
  },
};
const dayMs = 24 * 3_600_000;

/** `/v1/usage`. */
export function serveUsage(router: HttpRouter, deps: { db: Db; limits: LimitsNow }): void {
  router.get('/v1/usage', about.read, async (_, identity) => {
    const [{ day, ...used }, allowed, { turn, userDay }] = await Promise.all([
      readDayUse(deps.db, identity),
      readDayGrants(deps.db, identity),
      deps.limits.current(),
    ]);
    const body: UsageView = {
      day,
      ends_at: Date.parse(day) + dayMs,
      used,
      limits: { turn, user_day: userDay },
      allowed,
    };
    return { status: 200, body };
  });
}
