import { readFile, stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { errorCode, errorText } from '../protocol/error-text.ts';
import { onlySteps, type TurnLimits } from '../protocol/turn-limits.ts';
import { parseLimits } from './limits-file.ts';

/** The limits as they are now. */
export interface LimitsSource {
  current(): Promise<TurnLimits>;
}

interface Options {
  /** None: only the steps of a turn are bounded. */
  file: string | undefined;
  /** Steps of a turn where the file says nothing of them. */
  maxSteps: number;
  logger: Logger;
}

/**
 * Reads the limits, again whenever their file has changed. A file that becomes unusable while this process runs changes
 * nothing: the limits that were read last go on to count, and the log says what is wrong.
 * @throws Error where the file is not usable at the start
 */
export async function openLimits({ file, maxSteps, logger }: Options): Promise<LimitsSource> {
  if (file === undefined) {
    const limits = onlySteps(maxSteps);
    return { current: async () => limits };
  }
  const read = async () => parseLimits(await readText(file), { file, maxSteps });
  let seen = await stampOf(file);
  let limits = await read();
  return {
    async current() {
      const stamp = await stampOf(file);
      if (stamp === seen) return limits;
      // Set before it is read: a change in between is seen the next time, and a fault is logged once.
      seen = stamp;
      try {
        limits = await read();
        logger.info({ file }, 'the limits have changed');
      } catch (error) {
        logger.error({ file }, `${errorText(error)} The limits from before go on to count.`);
      }
      return limits;
    },
  };
}

/** Differs where the file is another one. */
async function stampOf(file: string): Promise<string> {
  return stat(file, { bigint: true }).then(
    ({ ino, size, mtimeNs, ctimeNs }) => [ino, size, mtimeNs, ctimeNs].join(),
    (error: unknown) => `not readable: ${errorText(error)}`,
  );
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'there is no such file' : errorText(error);
    throw new Error(`The limits cannot be read from ${file}: ${why}. See TURNGATE_LIMITS.`, { cause: error });
  }
}
