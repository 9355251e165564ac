import { setTimeout as delay } from 'node:timers/promises';

/** @throws Error when it takes longer */
export async function within<T>(boundMs: number, what: string, work: Promise<T>): Promise<T> {
  const late = delay(boundMs, undefined, { ref: false }).then(() => {
    throw new Error(`The bench's ${what} took longer than ${boundMs / 1_000} s and is given up.`);
  });
  return Promise.race([work, late]);
}
