import { setTimeout as delay } from 'node:timers/promises';

/** Waits until `condition` holds; fails with its source when it does not within `boundMs`. */
export async function until(condition: () => unknown, boundMs = 10_000): Promise<void> {
  const deadline = performance.now() + boundMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Not within ${boundMs} ms: ${condition}`);
    await delay(10);
  }
}
