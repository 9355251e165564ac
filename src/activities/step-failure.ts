import { ApplicationFailure } from '@temporalio/activity';
import { ModelError } from '../model/port.ts';
import { errorText } from '../protocol/error-text.ts';
import { boundsCost, priceOf, type TurnLimits } from '../protocol/turn-limits.ts';

const BUSY_RETRY = '1 s';
const RETRY_AFTER_MAX_MS = 3_600_000;

export function turnBusy(): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'Turn.Busy',
    message: 'A turn of an earlier run has not ended; the reconciler ends it when that run is closed.',
    nextRetryDelay: BUSY_RETRY,
  });
}

/** Costs that nobody can count are not free: a person has to say the price, or take the limit away. */
export function checkPrice(limits: TurnLimits, model: string): void {
  if (!boundsCost(limits) || priceOf(limits, model) !== undefined) return;
  const message = `Costs are limited here, and the model "${model}" has no price; it is to be named under \`prices\` in the file of TURNGATE_LIMITS ("*" is any other model).`;
  throw ApplicationFailure.create({ type: 'Limits.NoPrice', message, nonRetryable: true });
}

/** What no attempt gets over (no such agent, an answer that the store refuses) must not hold the session for ever. */
function givenUp(error: unknown, failures: number): ApplicationFailure {
  const message = `${errorText(error)} (given up after ${failures} attempts)`;
  return ApplicationFailure.create({ type: 'Step.Failed', message, nonRetryable: true });
}

/** Tells Temporal whether another attempt may help, and when. */
export function toFailure(error: unknown, failures: number, maxAttempts: number): unknown {
  if (!(error instanceof ModelError)) return failures < maxAttempts ? error : givenUp(error, failures);
  const exhausted = error.retryable && failures >= maxAttempts;
  const message = exhausted ? `${error.message} (given up after ${failures} attempts)` : error.message;
  const { retryAfterMs } = error;
  return ApplicationFailure.create({
    type: `ModelError.${error.kind}`,
    message,
    nonRetryable: !error.retryable || exhausted,
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: Math.min(retryAfterMs, RETRY_AFTER_MAX_MS) }),
    cause: error,
  });
}
