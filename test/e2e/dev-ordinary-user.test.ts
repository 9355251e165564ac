import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, linkSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fromSetup } from '../helpers/database.ts';
import { type DevRun, repository, startDev, stopDev } from '../helpers/dev.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';

// An ordinary user who runs the tests has had every other test as that user; this file is for a root who does.
const testAsRoot = process.getuid?.() === 0 ? test : test.skip;
const shipped = ['package.json', 'src', 'agents', 'examples', 'mcp.json', 'policy.yaml', 'node_modules'];

let folder: string;
let run: DevRun | undefined;
beforeAll(() => {
  folder = openFolder('turngate-user-');
});
afterAll(async () => {
  await stopDev(run);
  removeFolder(folder);
});

testAsRoot('an ordinary user can start and stop it, with every part and file their own', async () => {
  const user = idsOf('nobody');
  chownSync(folder, user.uid, user.gid);
  const { checkout, node } = reachableCheckout(user);
  const path = `${reachableTemporal()}:${process.env.PATH}`;
  run = await startDev({ folder, user, checkout, node, env: { PATH: path, HOME: folder } });
  const info = run.info();
  expect(info.postgres_data).toBe(join(info.data, 'postgres', 'data'));
  const pids = Object.values(info.processes);
  expect(pids.map(uidOf)).toEqual(pids.map(() => user.uid));
  expect((await fetch(`${info.http}/readyz`)).status).toBe(200);
  run.process.kill('SIGINT');
  expect(await run.exited).toBe(0);
  expect(pids.map(uidOf)).toEqual(pids.map(() => undefined));
});

function idsOf(name: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function uidOf(pid: number): number | undefined {
  try {
    return Number(execFileSync('ps', ['-o', 'uid=', '-p', String(pid)], { encoding: 'utf8' }));
  } catch {
    // ps ends with 1 where no such process exists.
    return undefined;
  }
}

/** This checkout where the user can read it, else one that they can: the same files under another name. */
function reachableCheckout(user: { uid: number; gid: number }): { checkout: string; node: string } {
  try {
    execFileSync(process.execPath, [join(repository, 'src', 'cli', 'main.ts'), '--help'], {
      cwd: '/',
      ...user,
      stdio: 'ignore',
    });
    return { checkout: repository, node: process.execPath };
  } catch {
    // Out of reach, as under root's home.
    const checkout = join(folder, 'checkout');
    mkdirSync(checkout);
    chmodSync(checkout, 0o755);
    for (const name of shipped) copyTree(join(repository, name), checkout);
    return { checkout, node: join(checkout, 'node_modules', 'node', 'bin', 'node') };
  }
}

function copyTree(from: string, into: string): void {
  try {
    execFileSync('cp', ['-al', from, into], { stdio: 'ignore' });
  } catch {
    // Another disk, or no hard links here.
    execFileSync('cp', ['-a', from, into]);
  }
}

/** A folder with the suite's `temporal` in it: its cache may be out of the user's reach. */
function reachableTemporal(): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  chmodSync(bin, 0o755);
  const [from, to] = [fromSetup('TURNGATE_TEST_TEMPORAL_BIN'), join(bin, 'temporal')];
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
  chmodSync(to, 0o755);
  return bin;
}
