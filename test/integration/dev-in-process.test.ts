import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { DevInfo } from '../../src/cli/dev/dev-file.ts';
import { startedAt } from '../../src/cli/dev/process-identity.ts';
import { runDev } from '../../src/cli/dev.ts';
import { runMigrate } from '../../src/cli/migrate.ts';
import { runToken } from '../../src/cli/token.ts';
import { until } from '../helpers/gateway.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';

// The supervisor in this very process, so that its coverage is seen; test/e2e/dev.test.ts starts it as people do.
let folder: string;
beforeAll(() => {
  folder = openFolder('turngate-in-process-');
});
afterAll(() => removeFolder(folder));

test('runDev starts every part, resolves when it is asked to stop, and leaves nothing running', async () => {
  const data = join(folder, 'data');
  const options = { data, postgresData: join(folder, 'postgres'), postgresPort: '0', modelPort: '0' };
  const ports = { gatewayPort: '0', temporalPort: '0', temporalUiPort: '0' };
  const env = { ...process.env, OPENAI_API_KEY: '', TEMPORAL_ADDRESS: '', TURNGATE_MODEL: '' };
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const running = runDev({ ...options, ...ports }, env, print);
  // A start that fails must end this test at once, not at the bound of the wait.
  let failure: unknown;
  running.catch((error: unknown) => {
    failure = error;
  });
  const file = join(data, 'dev.json');
  await until(() => failure !== undefined || existsSync(file), 60_000);
  if (failure !== undefined) throw failure;
  const info = JSON.parse(readFileSync(file, 'utf8')) as DevInfo;
  try {
    expect(info.model).toBe('demo');
    await runMigrate({ DATABASE_URL: info.database_url }, print);
    await runToken({ user: 'alice', tenant: 'dev', ttl: '1h', data }, {}, print);
  } finally {
    process.emit('SIGTERM');
    await running;
  }
  expect(lines).toContain('The store is up to date.');
  expect(lines.find((line) => line.startsWith('ey'))?.split('.')).toHaveLength(3);
  expect(lines.at(-1)).toBe('Stopped.');
  expect(Object.values(info.processes).map(startedAt)).toEqual([null, null, null, null, null]);
  expect(existsSync(file)).toBe(false);
});

test('turngate migrate and turngate token say what is missing', async () => {
  await expect(runMigrate({})).rejects.toThrow('DATABASE_URL is not set');
  await expect(runToken({ user: 'a', tenant: 'dev', ttl: '1h', data: folder }, {})).rejects.toThrow(
    'There is no secret in',
  );
});
