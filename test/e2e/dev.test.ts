import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { withClient } from '../../src/cli/dev/postgres.ts';
import { startedAt } from '../../src/cli/dev/process-identity.ts';
import { type DevRun, spawnDev, startDev, stopDev } from '../helpers/dev.ts';
import { until } from '../helpers/gateway.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';

const roles = ['demo-model', 'gateway', 'postgres', 'temporal', 'worker'];
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
const ended = (run: DevRun) => (pid: number) => startedAt(pid) === null && pid !== run.process.pid;

// One copy lives through this file's first part as a person's would through a day, so that it starts a few times only.
describe('turngate dev', () => {
  let folder: string;
  let run: DevRun | undefined;
  beforeAll(() => {
    folder = openFolder('turngate-dev-');
  });
  afterAll(async () => {
    await stopDev(run);
    removeFolder(folder);
  });

  test('starts everything, keeps it private, and says where it is', async () => {
    run = await startDev({ folder });
    const info = run.info();
    expect(Object.keys(info.processes).sort()).toEqual(roles);
    expect((await fetch(`${info.http}/readyz`)).status).toBe(200);
    expect((await fetch(String(info.temporal_ui))).status).toBe(200);
    expect([modeOf(run.data), modeOf(join(run.data, 'dev.json'))]).toEqual(['700', '600']);
    expect([modeOf(join(run.data, 'jwt-secret')), modeOf(join(run.data, 'postgres-password'))]).toEqual([
      '600',
      '600',
    ]);
    for (const word of [info.http, info.ws, info.token, info.temporal_ui, info.data, 'demo model']) {
      expect(run.output()).toContain(word);
    }
    await withClient(info.database_url, (client) => client.query('create table remembered (word text)'));
  });

  test('a second copy on the same folder is refused and disturbs nothing', async () => {
    const second = spawnDev({ folder });
    expect(await second.exited).toBe(1);
    expect(second.output()).toMatch(/^Another `turngate dev` \(process \d+\) runs on .*\n$/);
    expect(existsSync(join(folder, 'data', 'dev.json'))).toBe(true);
  });

  test('a part that is killed comes back, and the console and dev.json say so', async () => {
    const current = runningOf(run);
    const before = current.info().processes;
    for (const role of roles) process.kill(Number(before[role]), 'SIGKILL');
    await until(() => roles.every((role) => current.output().includes(`${role} is back`)), 30_000);
    const after = current.info();
    expect(Object.keys(after.processes).sort()).toEqual(roles);
    for (const role of roles) {
      expect(current.output()).toContain(`${role} ended (signal SIGKILL); starting it again in 0.2 s.`);
      expect(after.processes[role]).not.toBe(before[role]);
    }
    await until(async () => (await fetch(`${after.http}/readyz`)).status === 200);
  });

  test('after a kill -9 of the supervisor the next start stops what survived and continues', async () => {
    const killed = runningOf(run);
    const survivors = Object.values(killed.info().processes);
    killed.process.kill('SIGKILL');
    await killed.exited;
    expect(survivors.map((pid) => startedAt(pid) !== null)).toEqual(roles.map(() => true));
    run = await startDev({ folder });
    expect(survivors.every(ended(run))).toBe(true);
    for (const role of roles) expect(run.output()).toContain(`Stopping ${role} (process`);
    const found = await withClient(run.info().database_url, (client) =>
      client.query('select from remembered'),
    );
    expect(found.rowCount).toBe(0);
  });

  test('Ctrl-C stops all in under 5 s and leaves no process', async () => {
    const stopping = runningOf(run);
    const pids = Object.values(stopping.info().processes);
    const began = performance.now();
    stopping.process.kill('SIGINT');
    expect(await stopping.exited).toBe(0);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(pids.every(ended(stopping))).toBe(true);
    expect(stopping.output()).toContain('Stopped.');
    expect(existsSync(join(folder, 'data', 'dev.json'))).toBe(false);
    run = undefined;
  });

  test('a broken data folder of Postgres is one sentence, and nothing is left running', async () => {
    const control = join(folder, 'postgres', 'data', 'global', 'pg_control');
    rmSync(control);
    const broken = spawnDev({ folder });
    expect(await broken.exited).toBe(1);
    expect(broken.output()).toMatch(
      /postgres ended \(exit code \d+\) before it was ready; .*move .* away and start again/,
    );
    writeFileSync(join(folder, 'postgres', 'data', 'PG_VERSION'), '');
    const empty = spawnDev({ folder });
    expect(await empty.exited).toBe(1);
    expect(empty.output()).toContain('is broken (its PG_VERSION is empty)');
  });
});

function runningOf(run: DevRun | undefined): DevRun {
  if (run === undefined)
    throw new Error('The copy that this file lives with is not running: its start failed.');
  return run;
}

describe('turngate dev that cannot start', () => {
  let folder: string;
  beforeAll(() => {
    folder = openFolder('turngate-refused-');
  });
  afterAll(() => removeFolder(folder));

  test('a taken port: which, for what, and how to choose another', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      const refused = spawnDev({ folder, args: ['--temporal-port', String(port)] });
      expect(await refused.exited).toBe(1);
      expect(refused.output()).toMatch(
        new RegExp(`^Port ${port} .* Temporal needs, is taken .*--temporal-port <port>.*\\n$`),
      );
    } finally {
      server.close();
    }
  });

  test('a policy that is broken or missing, before anything else is started', async () => {
    const policy = join(folder, 'policy.yaml');
    writeFileSync(policy, 'rules:\n  - { id: all, decide: alow }\n');
    const broken = spawnDev({ folder, env: { TURNGATE_POLICY: policy } });
    expect(await broken.exited).toBe(1);
    expect(broken.output()).toMatch(/policy\.yaml:2: rule "all", decide: .*`turngate policy check`/);
    expect(broken.output()).not.toContain('Starting Postgres');
    const missing = spawnDev({ folder, env: { TURNGATE_POLICY: join(folder, 'none.yaml') } });
    expect(await missing.exited).toBe(1);
    expect(missing.output()).toMatch(/none\.yaml cannot be read: there is no such file.*TURNGATE_POLICY/);
  });

  test('no Temporal and no Go', async () => {
    const env = {
      PATH: folder,
      TURNGATE_CACHE_DIR: join(folder, 'cache'),
      TURNGATE_TEMPORAL_DOWNLOAD: 'http://127.0.0.1:1',
    };
    const refused = spawnDev({ folder, env });
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toMatch(
      /^Temporal's program is not here and cannot be fetched: .*Install the Temporal CLI or Go.*\n$/,
    );
  });

  test('a Temporal that TEMPORAL_ADDRESS names and that is not there', async () => {
    const refused = spawnDev({ folder, env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toContain('Temporal at TEMPORAL_ADDRESS 127.0.0.1:1 cannot be used');
  });

  test('a file in the place of the data folder', async () => {
    const other = join(folder, 'other');
    writeFileSync(other, '');
    const refused = spawnDev({ folder, args: ['--data', other] });
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toBe(
      `${other} is a file, not a folder; move it away, or choose another folder with --data.\n`,
    );
  });
});
