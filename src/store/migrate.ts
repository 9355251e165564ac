import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';

const folder = fileURLToPath(new URL('./migrations', import.meta.url));

/**
 * Brings the store's schema up to date: every file of src/store/migrations that the database has not seen, in
 * order, in one transaction. Several processes may call it at once; they wait for each other.
 * @param connectionString Postgres connection string
 * @param log told the name of each migration as it is applied
 * @throws Error where the database cannot be reached or a migration fails; then nothing has changed
 */
export async function migrate(connectionString: string, log?: (line: string) => void): Promise<void> {
  const applied = await runner({
    databaseUrl: connectionString,
    dir: folder,
    migrationsTable: 'migrations',
    direction: 'up',
    singleTransaction: true,
    advisoryLockMode: 'wait',
    log: () => undefined,
  });
  for (const migration of applied) log?.(`migrated ${migration.name}`);
}
