import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Child } from './child.ts';
import type { DataFolder } from './data-folder.ts';
import type { Part } from './supervisor.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const packageFolder = fileURLToPath(new URL('../../../', import.meta.url));

/** A part that is a command of ours and says over IPC that it is ready. */
export function rolePart(role: string, env: NodeJS.ProcessEnv, cwd: string, folder: DataFolder): Part {
  return {
    role,
    spec: {
      role,
      command: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', main, role],
      env,
      cwd,
      logFile: join(folder.logs, `${role}.log`),
      ipc: true,
      stopSignals: ['SIGTERM'],
      hint: 'Set right what it names and start again.',
    },
    ready: async (child: Child) => void (await child.readyMessage),
  };
}

/** The file or folder of this name where the command was given, else the one that comes with Turngate. */
export function besideOrShipped(name: string): string {
  const beside = join(process.cwd(), name);
  return existsSync(beside) ? beside : join(packageFolder, name);
}
