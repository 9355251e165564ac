import { setTimeout as delay } from 'node:timers/promises';
import { healthAnswer, readyAnswer } from '../protocol/http.ts';
import type { Db } from '../store/db.ts';
import { lastSeqs } from '../store/events.ts';
import type { HttpRouter } from './http-router.ts';
import type { SessionHubs } from './session-hubs.ts';

/** A part that takes longer to answer counts as not reachable. */
const checkMs = 2_000;

const about = {
  health: { summary: 'The process answers.', answers: { 200: healthAnswer } },
  ready: {
    summary: 'Whether it can do its work; what is missing is false.',
    answers: { 200: readyAnswer, 503: readyAnswer },
  },
};

/** `/healthz`: the process answers. `/readyz`: it can do its work, so that traffic may come. */
export function serveHealth(
  router: HttpRouter,
  deps: { db: Db; hubs: SessionHubs; checkTemporal(): Promise<void>; isDraining(): boolean },
): void {
  router.open('/healthz', about.health, async () => ({ status: 200, body: { status: 'ok' } }));
  router.open('/readyz', about.ready, async () => {
    const [store, temporal] = await Promise.all([
      answers(lastSeqs(deps.db, [])),
      answers(deps.checkTemporal()),
    ]);
    const checks = { store, temporal, live: deps.hubs.isSubscribed, draining: deps.isDraining() };
    const isReady = store && temporal && checks.live && !checks.draining;
    return { status: isReady ? 200 : 503, body: { status: isReady ? 'ready' : 'not ready', checks } };
  });
}

async function answers(check: Promise<unknown>): Promise<boolean> {
  const answered = check.then(
    () => true,
    () => false,
  );
  return Promise.race([answered, delay(checkMs, false, { ref: false })]);
}
