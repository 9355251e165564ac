import { randomUUID } from 'node:crypto';
import { withClient } from '../../src/cli/dev/postgres.ts';
import { type Db, openPool } from '../../src/store/db.ts';

/** The migrated database that every test file's own is a copy of. */
export const templateDatabase = 'turngate_template';

export interface TestDatabase {
  url: string;
  /** Drops it; fails where a connection to it is still open, because that is a leak. */
  drop(): Promise<void>;
}

const leakGraceMs = 2_000;
const leakPollMs = 20;

/** Address of a service that globalSetup started. */
export function fromSetup(
  name:
    | 'TURNGATE_TEST_PG'
    | 'TURNGATE_TEST_TEMPORAL'
    | 'TURNGATE_TEST_TEMPORAL_BIN'
    | 'TURNGATE_TEST_TEMPORAL_UI'
    | 'TURNGATE_TEST_BUNDLE',
): string {
  const value = process.env[name];
  if (value === undefined)
    throw new Error(`${name} is not set: test/helpers/global-setup.ts sets it; run tests with \`npm test\`.`);
  return value;
}

/** A fresh copy of the migrated template; one per test file. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const admin = fromSetup('TURNGATE_TEST_PG');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await withClient(admin, (client) => client.query(`create database ${name} template ${templateDatabase}`));
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => dropDatabase(admin, name) };
}

export interface TestStore {
  db: Db;
  close(): Promise<void>;
}

/** A fresh database with a pool on it. `name` is what a leaked connection is reported under. */
export async function openTestStore(name: string, options = { max: 5 }): Promise<TestStore> {
  const database = await createTestDatabase();
  const db = openPool({
    connectionString: database.url,
    max: options.max,
    applicationName: name,
    onError: () => undefined,
  });
  return {
    db,
    close: async () => {
      await db.end();
      await database.drop();
    },
  };
}

async function dropDatabase(admin: string, name: string): Promise<void> {
  await withClient(admin, async (client) => {
    // A connection that was closed a moment ago may still be on its way out at the server.
    const deadline = Date.now() + leakGraceMs;
    for (;;) {
      const { rows } = await client.query<{ application_name: string; query: string }>(
        'select application_name, query from pg_stat_activity where datname = $1',
        [name],
      );
      if (rows.length === 0) break;
      if (Date.now() > deadline) {
        await client.query(`drop database ${name} with (force)`);
        const who = rows.map((row) => `${row.application_name || 'unnamed'} (${row.query})`).join('; ');
        throw new Error(`The test left ${rows.length} connection(s) to its database open: ${who}`);
      }
      await new Promise((resolve) => setTimeout(resolve, leakPollMs));
    }
    await client.query(`drop database ${name}`);
  });
}
