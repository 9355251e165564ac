const leastMs = 200;
const leastSpreadMs = 1_500;
/** Clients take no longer time than this for a restart. */
const mostSpreadMs = 30_000;
/** A gateway lets about twice as many in without anybody waiting (bench, part g). */
const returningPerSecond = 250;

/** When one of so many who are sent away together is to come back, in milliseconds: spread, so that no herd comes. */
export function restartDelayMs(crowd: number): number {
  const spreadMs = Math.min(
    mostSpreadMs - leastMs,
    Math.max(leastSpreadMs, (crowd / returningPerSecond) * 1_000),
  );
  return Math.round(leastMs + Math.random() * spreadMs);
}
