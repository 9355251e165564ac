import { copyFileSync, existsSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const maxLogBytes = 8 * 1024 * 1024;
const checkEveryMs = 5_000;

/**
 * Keeps each log file near its bound: one that has grown past it is copied to `<name>.1`, in place of the last copy,
 * and emptied. The parts hold their files open in append mode, so they go on at the new end.
 * @returns stops it
 */
export function boundLogs(folder: string): () => void {
  const timer = setInterval(() => trimLogs(folder, maxLogBytes), checkEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}

export function trimLogs(folder: string, maxBytes: number): void {
  if (!existsSync(folder)) return;
  const logs = readdirSync(folder).filter((name) => name.endsWith('.log'));
  for (const name of logs) {
    const file = join(folder, name);
    if (statSync(file).size <= maxBytes) continue;
    copyFileSync(file, `${file}.1`);
    truncateSync(file);
  }
}
