import type { Logger } from 'pino';
import { errorCode } from '../protocol/error-text.ts';

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 2_000;
/** SQLSTATE classes that say the same however often one asks: data, constraint, syntax, limit exceeded. */
const finalClasses = ['22', '23', '42', '54'];

/**
 * Repeats a write that must not be lost while the store is away: a model's answer or a tool's result exists only
 * here until it is committed. The write must be safe to repeat.
 * @param options.forMs how long to go on
 */
export async function persist<T>(
  write: () => Promise<T>,
  options: { forMs: number; signal: AbortSignal; logger: Logger; what: string },
): Promise<T> {
  const until = Date.now() + options.forMs;
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, MAX_DELAY_MS)) {
    try {
      return await write();
    } catch (error) {
      if (isFinal(error) || options.signal.aborted || Date.now() + delayMs > until) throw error;
      options.logger.warn({ err: error }, `${options.what} could not be written; trying again`);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}

function isFinal(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  return finalClasses.some((prefix) => code.startsWith(prefix) && code.length === 5);
}
