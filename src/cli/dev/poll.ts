import { setTimeout as delay } from 'node:timers/promises';

/**
 * Asks again and again, with a pause between, until the probe stops throwing or the signal aborts.
 * @throws the probe's last error once aborted
 */
export async function pollUntil<T>(
  probe: () => Promise<T>,
  everyMs: number,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (signal.aborted) throw error;
    }
    await delay(everyMs);
  }
}
