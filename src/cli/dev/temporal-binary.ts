import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { errorText } from '../../protocol/error-text.ts';
import { StartFailure } from './start-failure.ts';
import { downloadTemporal } from './temporal-download.ts';
import { goInstallTemporal } from './temporal-go-install.ts';

/** The version that is downloaded or built; later ones cannot be had by `go install`. */
export const temporalVersion = '1.5.1';

/** Folder of this user for what is fetched once and used by every copy; TURNGATE_CACHE_DIR moves it. */
function cacheFolder(env: NodeJS.ProcessEnv): string {
  if (env.TURNGATE_CACHE_DIR) return env.TURNGATE_CACHE_DIR;
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'turngate');
}

/**
 * Finds or gets the `temporal` program: on the PATH, in the cache, by the official download, by `go install`.
 * @param say told one line for each thing that takes time or went wrong
 * @param signal gives up
 * @returns its path
 * @throws StartFailure where none of the ways works
 */
export async function findTemporal(
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const onPath = findOnPath('temporal', env);
  if (onPath !== undefined) return onPath;
  const folder = join(cacheFolder(env), `temporal-${temporalVersion}`);
  const cached = join(folder, 'temporal');
  if (isExecutable(cached)) return cached;
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new StartFailure(
      `The cache folder ${folder} cannot be made (${errorText(error)}); set TURNGATE_CACHE_DIR to one that can.`,
    );
  }
  signal.throwIfAborted();
  const problem = await downloadTemporal({ version: temporalVersion, folder, env, say, signal });
  if (problem === undefined) return cached;
  signal.throwIfAborted();
  const go = findOnPath('go', env);
  if (go === undefined) {
    throw new StartFailure(
      `Temporal's program is not here and cannot be fetched: no \`temporal\` on the PATH, none in ${folder}, ` +
        `its download failed (${problem}), and there is no \`go\` on the PATH to build it with. ` +
        'Install the Temporal CLI or Go 1.24 or later, or set TEMPORAL_ADDRESS to a Temporal that runs.',
    );
  }
  say(`The download of Temporal failed (${problem}); building it with Go instead.`);
  await goInstallTemporal({ go, version: temporalVersion, folder, env, say, signal });
  return cached;
}

function findOnPath(program: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  if (!existsSync(file)) return false;
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
