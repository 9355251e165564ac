import { StartFailure } from '../dev/start-failure.ts';

/** Why the tour ended before its end, in one sentence; the command line prints it without a stack. */
export class TourFailure extends StartFailure {}

/** Waits no longer than the tour itself: rejects with the signal's reason once that aborts. */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Gives the work a bound of its own, as a signal, and a sentence for its end. */
export async function within<T>(
  work: (signal: AbortSignal) => Promise<T>,
  bound: { ms: number; signal: AbortSignal; otherwise: string },
): Promise<T> {
  const late = new AbortController();
  const words = `The tour failed: ${bound.otherwise} (waited ${bound.ms / 1_000} s).`;
  const timer = setTimeout(() => late.abort(new TourFailure(words)), bound.ms);
  const signal = AbortSignal.any([bound.signal, late.signal]);
  try {
    return await orAborted(work(signal), signal);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws TourFailure unless it holds */
export function assertTrue(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new TourFailure(`The tour failed: ${otherwise}.`);
}
