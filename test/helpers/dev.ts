import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DevInfo } from '../../src/cli/dev/dev-file.ts';

export const repository = fileURLToPath(new URL('../../', import.meta.url));
const startBoundMs = 60_000;
const pollMs = 25;

export interface DevOptions {
  /** Folder of this copy; its data lie in `data`, Postgres's own in `postgres`. */
  folder: string;
  args?: string[];
  env?: NodeJS.ProcessEnv;
  /** Checkout that it runs from. */
  checkout?: string;
  /** Node that it runs under; the one of this process unless the user cannot reach that. */
  node?: string;
  user?: { uid: number; gid: number };
}

export interface DevRun {
  data: string;
  process: ChildProcess;
  exited: Promise<number | NodeJS.Signals>;
  /** What it has written to the console so far. */
  output(): string;
  /** What `dev.json` says now. */
  info(): DevInfo;
}

/** Starts `turngate dev` on free ports; what it writes may be a refusal. */
export function spawnDev(options: DevOptions): DevRun {
  const { folder, args = [], env = {}, checkout = repository, node = process.execPath } = options;
  const data = join(folder, 'data');
  const ports = ['--gateway-port', '0', '--temporal-port', '0', '--temporal-ui-port', '0'];
  const places = [
    '--data',
    data,
    ...(options.user === undefined ? ['--postgres-data', join(folder, 'postgres')] : []),
  ];
  const main = join(checkout, 'src', 'cli', 'main.ts');
  const child = spawn(
    node,
    ['--disable-warning=ExperimentalWarning', main, 'dev', ...ports, ...places, ...args],
    {
      cwd: checkout,
      env: { ...devEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options.user,
    },
  );
  let output = '';
  const keep = (chunk: Buffer) => {
    output += chunk.toString('utf8');
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    // `close` and not `exit`: every word of its has arrived by then.
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'));
  });
  const info = () => JSON.parse(readFileSync(join(data, 'dev.json'), 'utf8')) as DevInfo;
  return { data, process: child, exited, output: () => output, info };
}

/** Starts `turngate dev` and waits for its table. */
export async function startDev(options: DevOptions): Promise<DevRun> {
  const run = spawnDev(options);
  const deadline = Date.now() + startBoundMs;
  while (!(run.output().includes('Turngate is ready.') && existsSync(join(run.data, 'dev.json')))) {
    if (run.process.exitCode !== null || run.process.signalCode !== null || Date.now() > deadline) {
      run.process.kill('SIGTERM');
      throw new Error(`turngate dev did not start: ${await run.exited}\n${run.output()}`);
    }
    await delay(pollMs);
  }
  return run;
}

/** Stops it in order; for the end of a test, whatever the test did to it. */
export async function stopDev(run: DevRun | undefined): Promise<void> {
  if (run === undefined) return;
  run.process.kill('SIGTERM');
  await run.exited;
}

/**
 * The environment without what would change the start (a key, a Temporal, settings of the person who runs the
 * tests), and with the suite's bundle: bundling anew takes each worker seconds.
 */
function devEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, TURNGATE_CACHE_DIR, XDG_CACHE_HOME, TURNGATE_TEST_BUNDLE } = process.env;
  const kept = { PATH, HOME, TMPDIR, TURNGATE_CACHE_DIR, XDG_CACHE_HOME };
  const env = { ...kept, TURNGATE_WORKFLOW_BUNDLE: TURNGATE_TEST_BUNDLE };
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
}
