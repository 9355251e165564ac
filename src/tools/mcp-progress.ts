import { cleanText, cutAt } from '../protocol/text.ts';
import type { ToolCallRequest } from './port.ts';

const everyMs = 100;
const messageChars = 2_000;

interface RawProgress {
  progress: number;
  total?: number | undefined;
  message?: string | undefined;
}

export interface ProgressValve {
  take(progress: RawProgress): void;
  end(): void;
}

/** At most ten a second of what a server says of a call's progress, and always the last. */
export function createProgressValve(onProgress: ToolCallRequest['onProgress']): ProgressValve {
  let waiting: RawProgress | undefined;
  let timer: NodeJS.Timeout | undefined;

  function give(): void {
    timer = undefined;
    if (waiting === undefined) return;
    onProgress(bounded(waiting));
    waiting = undefined;
    timer = setTimeout(give, everyMs);
  }

  return {
    take(progress) {
      waiting = progress;
      if (timer === undefined) give();
    },
    end() {
      if (waiting !== undefined) onProgress(bounded(waiting));
      waiting = undefined;
      clearTimeout(timer);
    },
  };
}

function bounded({ progress, total, message }: RawProgress) {
  const clean = message === undefined ? undefined : cleanText(message);
  return {
    progress,
    ...(total === undefined ? {} : { total }),
    ...(clean === undefined ? {} : { message: clean.slice(0, cutAt(clean, messageChars)) }),
  };
}
