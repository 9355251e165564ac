import { ApplicationFailure, type Context } from '@temporalio/activity';
import type { TurnNudges } from './turn-nudges.ts';

export interface StopWatch {
  /** Aborted when the work is to stop: by the live plane at once, by Temporal with a heartbeat. */
  signal: AbortSignal;
  stop(reason: Error): void;
  end(): void;
}

/** Why it was stopped is read from the store afterwards: a nudge may be lost, doubled or late. */
export function watchStop(context: Context, nudges: TurnNudges, turnId: string): StopWatch {
  const controller = new AbortController();
  const off = nudges.on(turnId, (nudge) => {
    if (nudge.kind !== 'input') controller.abort(new Error(`nudged to ${nudge.kind}`));
  });
  const forward = () => controller.abort(context.cancellationSignal.reason);
  if (context.cancellationSignal.aborted) forward();
  context.cancellationSignal.addEventListener('abort', forward, { once: true });
  return {
    signal: controller.signal,
    stop: (reason) => controller.abort(reason),
    end() {
      off();
      context.cancellationSignal.removeEventListener('abort', forward);
    },
  };
}

/** For an attempt that was stopped though its turn goes on (the worker is going down): somebody else tries again. */
export function stopReason(context: Context): ApplicationFailure {
  const details = context.cancellationDetails;
  const why = details?.workerShutdown ? 'its worker is shutting down' : 'it was told to stop';
  return ApplicationFailure.create({
    type: 'Attempt.Stopped',
    message: `This attempt ended early because ${why}; another one follows.`,
    nextRetryDelay: '1 ms',
  });
}
