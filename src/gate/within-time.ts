import { createContext, Script } from 'node:vm';
import { errorCode } from '../protocol/error-text.ts';

const place: { job?: () => void } = {};
createContext(place);
const run = new Script('job()');

export type Timed<T> = { done: true; value: T } | { done: false };

/** On a machine that is busy with other things, a job may get no time at all; that is not its fault. */
const triesMax = 4;
const fairShare = 0.5;

/**
 * Runs code that others had a hand in (a regular expression, a schema) and stops it when it takes too long, even in
 * the middle of a match; a timer could not. Costs about a quarter of a millisecond. Not to be nested.
 * @param job is run again where it was stopped without having had the processor
 * @throws what `job` throws
 */
export function withinTime<T>(timeoutMs: number, job: () => T): Timed<T> {
  for (let tries = 1; ; tries += 1) {
    const before = process.cpuUsage();
    const timed = runWithin(timeoutMs, job);
    const { user, system } = process.cpuUsage(before);
    const hadItsShare = (user + system) / 1_000 >= timeoutMs * fairShare;
    if (timed.done || hadItsShare || tries === triesMax) return timed;
  }
}

function runWithin<T>(timeoutMs: number, job: () => T): Timed<T> {
  let timed: Timed<T> = { done: false };
  place.job = () => {
    timed = { done: true, value: job() };
  };
  try {
    run.runInContext(place, { timeout: timeoutMs });
  } catch (error) {
    if (errorCode(error) !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
  } finally {
    delete place.job;
  }
  return timed;
}
