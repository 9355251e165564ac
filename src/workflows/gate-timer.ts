import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow';

export interface GateTimer {
  expired(): boolean;
  stop(): void;
}

/** One durable timer, however many signals come meanwhile. */
export function startTimer(ms: number, summary: string, onExpired?: () => void): GateTimer {
  const scope = new CancellationScope();
  let expired = false;
  scope
    .run(() => sleep(ms, { summary }))
    .then(
      () => {
        expired = true;
        onExpired?.();
      },
      (error: unknown) => {
        if (!isCancellation(error)) throw error;
      },
    );
  return { expired: () => expired, stop: () => scope.cancel() };
}
