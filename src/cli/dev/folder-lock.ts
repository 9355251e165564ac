import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from '../../protocol/error-text.ts';
import { identify, isRunning, type ProcessIdentity } from './process-identity.ts';
import { StartFailure } from './start-failure.ts';

const maxTries = 5;

/**
 * Takes the data folder for this process, so that one copy at a time runs on it. A lock whose process has ended,
 * by kill -9 or a power cut, is taken over.
 * @returns releases it
 * @throws StartFailure where another copy runs on the folder
 */
export function lockFolder(folder: string): () => void {
  const file = join(folder, 'lock');
  const mine = identify(process.pid);
  const own = join(folder, `lock.${process.pid}`);
  // Written whole under another name first: nobody ever reads half a lock.
  writeFileSync(own, JSON.stringify(mine), { mode: 0o600 });
  try {
    for (let tries = 0; tries < maxTries; tries += 1) {
      if (tryLink(own, file)) return () => rmSync(file, { force: true });
      refuseIfHeld(file, folder);
      setAside(file, `${own}.stale`, folder);
    }
    throw new StartFailure(`The lock ${file} cannot be taken; remove that file and start again.`);
  } finally {
    rmSync(own, { force: true });
  }
}

function tryLink(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Moves a stale lock out of the way, and gives it back if it was not stale any more when it was moved. */
function setAside(file: string, aside: string, folder: string): void {
  try {
    renameSync(file, aside);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  try {
    refuseIfHeld(aside, folder);
  } catch (error) {
    tryLink(aside, file);
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function refuseIfHeld(file: string, folder: string): void {
  const holder = readHolder(file);
  if (holder === null || !isRunning(holder)) return;
  throw new StartFailure(
    `Another \`turngate dev\` (process ${holder.pid}) runs on ${folder}; use that one, stop it, or choose another folder with --data (and other ports).`,
  );
}

function readHolder(file: string): ProcessIdentity | null {
  try {
    const holder: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof holder !== 'object' || holder === null) return null;
    const { pid, started } = holder as Partial<ProcessIdentity>;
    return typeof pid === 'number' && typeof started === 'string' ? { pid, started } : null;
  } catch (error) {
    // Gone in between, or not JSON after a power cut: nobody holds it.
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}
