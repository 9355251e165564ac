/** Signals that ask `turngate dev` to stop; SIGHUP is a closed terminal. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves once a person or a program asks for the stop. */
export function onStopSignal(): { promise: Promise<void>; off(): void } {
  let listener = (): void => undefined;
  const promise = new Promise<void>((asked) => {
    listener = asked;
  });
  for (const signal of stopSignals) process.on(signal, listener);
  // Kept until the stop is over: a second Ctrl-C must not cut it short and leave processes behind.
  return {
    promise,
    off: () => {
      for (const signal of stopSignals) process.off(signal, listener);
    },
  };
}

/** Rejects with what nobody has caught, so that even a bug of ours stops the parts in order. */
export function onFatalError(): { promise: Promise<never>; off(): void } {
  let listener: (error: unknown) => void = () => undefined;
  const promise = new Promise<never>((_, fail) => {
    listener = fail;
  });
  // Unhandled where it comes after the race: then the stop is under way already.
  promise.catch(() => undefined);
  process.on('uncaughtException', listener);
  process.on('unhandledRejection', listener);
  return {
    promise,
    off: () => {
      process.off('uncaughtException', listener);
      process.off('unhandledRejection', listener);
    },
  };
}
