import { utimesSync, writeFileSync } from 'node:fs';
import type { Logger } from 'pino';

const TOUCH_EVERY_MS = 1_000;
/** A reconciler that has not got through a round for this long is stuck. */
const ROUND_BOUND_MS = 30_000;

/**
 * Touches a file every second while the worker works; whoever checks its age needs no port.
 * @returns the way to stop
 */
export function reportHealth(
  file: string | undefined,
  worker: { isPolling(): boolean; roundedAt(): number },
  logger: Logger,
): () => void {
  if (file === undefined) return () => undefined;
  const touch = () => {
    if (!worker.isPolling() || Date.now() - worker.roundedAt() > ROUND_BOUND_MS) return;
    try {
      writeFileSync(file, '', { flag: 'a' });
      utimesSync(file, new Date(), new Date());
    } catch (error) {
      logger.warn(
        { err: error },
        'the health file could not be touched; set WORKER_HEALTH_FILE to another place',
      );
    }
  };
  touch();
  const timer = setInterval(touch, TOUCH_EVERY_MS);
  return () => clearInterval(timer);
}
