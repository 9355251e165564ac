import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { withClient } from '../../src/cli/dev/postgres.ts';
import { searchAttributeTypes } from '../../src/cli/dev/search-attributes.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createTestDatabase, fromSetup, type TestDatabase } from '../helpers/database.ts';

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
      const known = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
      expect(Object.keys(known.customAttributes ?? {})).toEqual(
        expect.arrayContaining(Object.keys(searchAttributeTypes)),
      );
    } finally {
      await connection.close();
    }
  });
});
