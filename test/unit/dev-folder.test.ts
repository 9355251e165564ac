import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openDataFolder } from '../../src/cli/dev/data-folder.ts';
import { lockFolder } from '../../src/cli/dev/folder-lock.ts';
import { trimLogs } from '../../src/cli/dev/log-bound.ts';
import { identify, isRunning } from '../../src/cli/dev/process-identity.ts';
import { ensureSecret, jwtSecretFile } from '../../src/cli/dev/secrets.ts';
import { readDevSettings } from '../../src/cli/dev/settings.ts';
import { removeFolder } from '../helpers/services.ts';

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'turngate-unit-'));
});
afterEach(() => removeFolder(folder));

describe('the data folder', () => {
  test('is for this user only, keeps its id, and its secrets are 0600', () => {
    const path = join(folder, 'data');
    const first = openDataFolder(path);
    const secret = ensureSecret(jwtSecretFile(path));
    expect(secret.length).toBeGreaterThanOrEqual(32);
    expect(modeOf(path)).toBe('700');
    expect(modeOf(jwtSecretFile(path))).toBe('600');
    expect(openDataFolder(path).id).toBe(first.id);
    expect(ensureSecret(jwtSecretFile(path))).toBe(secret);
  });

  test('says so where a file lies in its place', () => {
    const path = join(folder, 'data');
    writeFileSync(path, '');
    expect(() => openDataFolder(path)).toThrow(`${path} is a file, not a folder; move it away`);
  });

  test('says so where its id or a secret is broken', () => {
    const path = join(folder, 'data');
    openDataFolder(path);
    writeFileSync(join(path, 'id'), 'x');
    expect(() => openDataFolder(path)).toThrow('is broken (its file `id` holds no id)');
    writeFileSync(jwtSecretFile(path), 'short');
    expect(() => ensureSecret(jwtSecretFile(path))).toThrow(
      'is broken (5 characters, at least 32 are needed)',
    );
  });
});

describe('the lock of a data folder', () => {
  test('refuses a second copy while the first runs, and is free after it', () => {
    const unlock = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(
      `Another \`turngate dev\` (process ${process.pid}) runs on ${folder}`,
    );
    unlock();
    lockFolder(folder)();
  });

  test('is taken over from a process that was killed, also where its pid is in use again', () => {
    const file = join(folder, 'lock');
    writeFileSync(file, JSON.stringify({ pid: process.pid, started: 'long ago' }));
    lockFolder(folder)();
    writeFileSync(file, 'half a lo');
    lockFolder(folder)();
  });
});

test('a process is the same only while it runs', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const identity = identify(child.pid ?? 0);
  expect(identity).not.toBeNull();
  if (identity === null) return;
  expect(isRunning(identity)).toBe(true);
  expect(isRunning({ ...identity, started: 'another time' })).toBe(false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isRunning(identity)).toBe(false);
});

test('a log past its bound keeps one copy and starts anew; others stay', () => {
  const log = join(folder, 'worker.log');
  const small = join(folder, 'gateway.log');
  writeFileSync(log, 'x'.repeat(101));
  writeFileSync(small, 'y');
  trimLogs(folder, 100);
  appendFileSync(log, 'next');
  expect(readFileSync(log, 'utf8')).toBe('next');
  expect(readFileSync(`${log}.1`, 'utf8')).toHaveLength(101);
  expect(readFileSync(small, 'utf8')).toBe('y');
});

test.each(['x', '-1', '65536', '80.5'])('port "%s" is refused by its option', (port) => {
  const good = {
    data: 'd',
    gatewayPort: '1',
    temporalPort: '2',
    temporalUiPort: '3',
    postgresPort: '0',
    modelPort: '0',
  };
  expect(readDevSettings({ ...good, gatewayPort: '' })).toMatchObject({ gatewayPort: 8080, postgresPort: 0 });
  expect(() => readDevSettings({ ...good, temporalPort: port })).toThrow('--temporal-port');
});
