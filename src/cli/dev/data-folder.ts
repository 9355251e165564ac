import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { errorText } from '../../protocol/error-text.ts';
import { StartFailure } from './start-failure.ts';

/** Everything that one copy of Turngate keeps on this machine. */
export interface DataFolder {
  path: string;
  /** Stays the same when the folder is moved. */
  id: string;
  logs: string;
  temporal: string;
  /** What the agent's file tools may touch. */
  workspace: string;
}

/**
 * Opens the data folder, making what is missing in it, for this user only.
 * @throws StartFailure where it cannot be used
 */
export function openDataFolder(wanted: string): DataFolder {
  const path = resolve(wanted);
  if (existsSync(path) && !statSync(path).isDirectory()) {
    throw new StartFailure(
      `${path} is a file, not a folder; move it away, or choose another folder with --data.`,
    );
  }
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chmodSync(path, 0o700);
    const real = realpathSync(path);
    const folder = {
      path: real,
      id: folderId(real),
      logs: join(real, 'logs'),
      temporal: join(real, 'temporal'),
      workspace: join(real, 'workspace'),
    };
    for (const part of [folder.logs, folder.temporal, folder.workspace]) {
      mkdirSync(part, { recursive: true, mode: 0o700 });
    }
    return folder;
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    throw new StartFailure(
      `The data folder ${path} cannot be used (${errorText(error)}); make it yours, or choose another folder with --data.`,
    );
  }
}

function folderId(path: string): string {
  const file = join(path, 'id');
  if (existsSync(file)) {
    const id = readFileSync(file, 'utf8').trim();
    if (/^[0-9a-f-]{36}$/.test(id)) return id;
    throw new StartFailure(
      `The data folder ${path} is broken (its file \`id\` holds no id); restore that file, or move the folder away.`,
    );
  }
  const id = randomUUID();
  writeFileWhole(file, `${id}\n`);
  return id;
}

/** Replaces a file of mode 0600 in one step: a reader sees the old text or the new, never half. */
export function writeFileWhole(file: string, text: string): void {
  const half = `${file}.${process.pid}`;
  writeFileSync(half, text, { mode: 0o600 });
  renameSync(half, file);
}
