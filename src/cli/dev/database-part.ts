import { join } from 'node:path';
import { settlePort } from './ports.ts';
import { ensureCluster, ensureDatabase, postgresReady, postgresSpec, postgresUrl } from './postgres.ts';
import { findPostgres } from './postgres-binaries.ts';
import { postgresHome, sharedFolder } from './postgres-place.ts';
import { postgresUser } from './postgres-user.ts';
import { ensureSecret, postgresPasswordFile } from './secrets.ts';
import type { Start } from './start-all.ts';
import type { Part } from './supervisor.ts';

const databaseName = 'turngate';

export interface DatabasePart {
  part: Part;
  /** Connection string of the store. */
  url: string;
  data: string;
  /** Makes the store's database once Postgres runs. */
  createDatabase(): Promise<void>;
}

/** Prepares Postgres: its user, programs, port and data folder. */
export async function prepareDatabase({ settings, folder, supervisor }: Start): Promise<DatabasePart> {
  const port = await settlePort(settings.postgresPort, 'Postgres', '--postgres-port');
  const user = postgresUser();
  const binaries = findPostgres(user, sharedFolder());
  const home = postgresHome(settings.postgresData, folder.path, folder.id);
  const password = ensureSecret(postgresPasswordFile(folder.path));
  const cluster = { binaries, user, password, data: join(home, 'data') };
  await ensureCluster(cluster, supervisor.signal);
  const admin = postgresUrl(port, password, 'postgres');
  return {
    url: postgresUrl(port, password, databaseName),
    data: cluster.data,
    part: {
      role: 'postgres',
      spec: postgresSpec(cluster, { port, logFile: join(folder.logs, 'postgres.log') }),
      ready: (_child, signal) => postgresReady(admin, signal),
    },
    createDatabase: () => ensureDatabase(admin, databaseName),
  };
}
