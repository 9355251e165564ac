import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { withClient } from '../../src/cli/dev/postgres.ts';
import { searchAttributeTypes } from '../../src/cli/dev/search-attributes.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createTestDatabase, fromSetup, type TestDatabase } from '../helpers/database.ts';
import { openFolder, removeFolder, startTemporal } from '../helpers/services.ts';

async function attributesOf(address: string): Promise<string[]> {
  const connection = await Connection.connect({ address });
  try {
    const known = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    return Object.keys(known.customAttributes ?? {});
  } finally {
    await connection.close();
  }
}

const monthSeconds = 30 * 86_400;

describe('what every test stands on', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test('Postgres 18 on loopback, migrated, and migrating again changes nothing', async () => {
    const lines: string[] = [];
    await migrate(database.url, (line) => lines.push(line));
    expect(lines).toEqual([]);
    const found = await withClient(database.url, (client) =>
      client.query<{ version: string; sessions: string | null; listens: string }>(
        `select current_setting('server_version') as version, to_regclass('sessions')::text as sessions,
                current_setting('listen_addresses') as listens`,
      ),
    );
    expect(found.rows[0]).toMatchObject({
      version: expect.stringMatching(/^18/),
      sessions: 'sessions',
      listens: '127.0.0.1',
    });
  });

  test('Temporal keeps closed runs for 30 days and knows the search attributes', async () => {
    const connection = await Connection.connect({ address: fromSetup('TURNGATE_TEST_TEMPORAL') });
    try {
      const namespace = await connection.workflowService.describeNamespace({ namespace: 'default' });
      expect(Number(namespace.config?.workflowExecutionRetentionTtl?.seconds)).toBe(monthSeconds);
    } finally {
      await connection.close();
    }
    expect(await attributesOf(fromSetup('TURNGATE_TEST_TEMPORAL'))).toEqual(
      expect.arrayContaining(Object.keys(searchAttributeTypes)),
    );
  });

  test('a Temporal whose database is of an older version has every search attribute before it counts as ready', async () => {
    const folder = openFolder('turngate-older-');
    const dbFile = `${folder}/temporal.db`;
    try {
      const [[name = '', type = ''] = []] = Object.entries(searchAttributeTypes);
      const older = await startTemporal(folder, { dbFile, searchAttributes: { [name]: type } });
      expect(await attributesOf(older.address)).not.toContain('TurngateWaitingSince');
      await older.stop();
      const newer = await startTemporal(folder, { dbFile });
      const known = await attributesOf(newer.address);
      await newer.stop();
      expect(known).toEqual(expect.arrayContaining(Object.keys(searchAttributeTypes)));
    } finally {
      removeFolder(folder);
    }
  });
});
