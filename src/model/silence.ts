export interface SilenceWatch {
  /** Aborted when nothing was heard for too long. */
  signal: AbortSignal;
  heard(): void;
  stop(): void;
}

/** Watches for silence with one timer a stream, not one a chunk. @param silenceMs how long is too long */
export function watchSilence(silenceMs: number): SilenceWatch {
  const controller = new AbortController();
  let lastHeardAt = performance.now();
  let timer = setTimeout(look, silenceMs);

  function look(): void {
    const leftMs = lastHeardAt + silenceMs - performance.now();
    if (leftMs <= 0) controller.abort();
    else timer = setTimeout(look, Math.ceil(leftMs));
  }

  return {
    signal: controller.signal,
    heard() {
      lastHeardAt = performance.now();
    },
    stop: () => clearTimeout(timer),
  };
}
