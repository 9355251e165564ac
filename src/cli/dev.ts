import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from './dev/child.ts';
import { type DataFolder, openDataFolder } from './dev/data-folder.ts';
import { type DevInfo, removeDevFile, writeDevFile } from './dev/dev-file.ts';
import { lockFolder } from './dev/folder-lock.ts';
import { boundLogs } from './dev/log-bound.ts';
import { type DevSettings, readDevSettings } from './dev/settings.ts';
import { startAll } from './dev/start-all.ts';
import { StartFailure } from './dev/start-failure.ts';
import { onFatalError, onStopSignal } from './dev/stop-reasons.ts';
import { summary } from './dev/summary.ts';
import { Supervisor } from './dev/supervisor.ts';
import { recordProcesses, stopSurvivors } from './dev/survivors.ts';

/** Whoever uses a part is stopped before it. */
const stopOrder = ['gateway', 'worker', 'demo-model', 'temporal', 'postgres'];
/** Time for an unfinished start to notice that it was stopped. */
const abandonMs = 500;

/**
 * `turngate dev`: starts every part on this machine, looks after them, and stops them on a signal.
 * Resolves when no process of it is left.
 * @param say told each line for the console
 * @throws StartFailure where it cannot start; then too nothing is left running
 */
export async function runDev(
  options: Record<string, unknown>,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void = console.log,
): Promise<void> {
  if (process.platform === 'win32') {
    throw new StartFailure('`turngate dev` needs Linux or macOS; on Windows, run it in WSL.');
  }
  // A terminal that was closed takes writes no more; the stop in order matters more than its lines.
  process.stdout.on('error', () => undefined);
  const settings = readDevSettings(options);
  const folder = openDataFolder(settings.data);
  const unlock = lockFolder(folder.path);
  const stopBounding = boundLogs(folder.logs);
  try {
    removeDevFile(folder.path);
    await stopSurvivors(folder.path, say);
    await supervise(settings, folder, env, say);
  } finally {
    stopBounding();
    removeDevFile(folder.path);
    unlock();
  }
}

async function supervise(
  settings: DevSettings,
  folder: DataFolder,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<void> {
  let info: DevInfo | undefined;
  const changed = (children: Child[]): void => {
    const ordered = stopOrder.flatMap((role) => children.filter((child) => child.role === role));
    recordProcesses(
      folder.path,
      ordered.map(({ role, pid, started, spec }) => ({ role, pid, started, stopSignals: spec.stopSignals })),
    );
    if (info === undefined) return;
    info = { ...info, processes: supervisor.processes() };
    writeDevFile(folder.path, info);
  };
  const supervisor = new Supervisor({ say, changed });
  const stopAsked = onStopSignal();
  const failed = onFatalError();
  const starting = startAll({ supervisor, settings, folder, env, say }).then((started) => {
    info = started.info;
    writeDevFile(folder.path, info);
    say(summary(info, started.model.description));
  });
  try {
    await Promise.race([stopAsked.promise, failed.promise, starting]);
    await Promise.race([stopAsked.promise, failed.promise]);
    say('Stopping ...');
  } finally {
    await supervisor.stop(stopOrder);
    await Promise.race([Promise.allSettled([starting]), delay(abandonMs)]);
    stopAsked.off();
    failed.off();
  }
  say('Stopped.');
}
