import { renewLease } from '../store/tool-calls.ts';
import type { ActivityDeps } from './deps.ts';
import type { StopWatch } from './stop-watch.ts';

/** How long an attempt may run without renewing: a later one waits for this before it does anything. */
export const LEASE_MS = 8_000;
const RENEW_MS = 2_000;
const LOOK_MS = 500;
/** The attempt stops this long before its lease can lapse, so that nothing of it runs beside the next. */
const MARGIN_MS = 1_500;

export interface Lease {
  lost(): boolean;
  /** Before anything is sent: whether it holds, also where this process has slept since it was asked for. */
  holds(): Promise<boolean>;
  end(): void;
}

/**
 * Renews the lease in the ledger row, and stops the work where it cannot, or where the turn is to be cancelled.
 * @param call.since when the lease was asked for, milliseconds since 1970
 */
export function keepLease(
  deps: Pick<ActivityDeps, 'db' | 'logger'>,
  { since, ...call }: { toolCallId: string; attempt: number; since: number },
  stop: StopWatch,
): Lease {
  let lost = false;
  let goodUntil = since + LEASE_MS - MARGIN_MS;
  let renewing = false;
  let nextAt = Date.now() + RENEW_MS;
  const lose = (why: string) => {
    lost = true;
    stop.stop(new Error(why));
  };
  const renew = async () => {
    const asked = Date.now();
    const renewed = await renewLease(deps.db, { ...call, leaseMs: LEASE_MS });
    if (!renewed) return lose('the lease of this attempt was lost');
    goodUntil = asked + LEASE_MS - MARGIN_MS;
    if (renewed.cancelRequested) stop.stop(new Error('the turn is to be cancelled'));
  };
  const timer = setInterval(() => {
    if (Date.now() > goodUntil) return lose('the lease of this attempt could not be renewed');
    if (renewing || Date.now() < nextAt) return;
    renewing = true;
    nextAt = Date.now() + RENEW_MS;
    renew()
      .catch((error: unknown) => deps.logger.warn({ err: error }, 'a lease was not renewed; trying again'))
      .finally(() => {
        renewing = false;
      });
  }, LOOK_MS);
  const holds = async () => {
    if (Date.now() > goodUntil) await renew();
    return !lost;
  };
  return { lost: () => lost, holds, end: () => clearInterval(timer) };
}
