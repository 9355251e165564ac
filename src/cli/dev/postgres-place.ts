import { join } from 'node:path';

const rootsFolder = '/var/lib/turngate';

/** Where root keeps what Postgres's user must reach: neither under root's home nor under a 0700 folder of root's. */
export function sharedFolder(): string {
  return rootsFolder;
}

/**
 * Folder of Postgres's data.
 * @param chosen what a person set; wins
 * @param dataFolder the data folder of this copy, and its id, which stays the same when the folder is moved
 */
export function postgresHome(chosen: string | undefined, dataFolder: string, id: string): string {
  if (chosen !== undefined) return chosen;
  return process.getuid?.() === 0 ? join(rootsFolder, id) : join(dataFolder, 'postgres');
}
