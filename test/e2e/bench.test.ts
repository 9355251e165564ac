import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { repository } from '../helpers/dev.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';

interface Result {
  quick: boolean;
  machine: { cores: number; versions: Record<string, string> };
  rows: { id: string; value: number; aim: number | null; met: boolean | null }[];
}

const ids = [
  ...['a', 'a.first_delta', 'a.bare', 'a.ack'],
  ...[1, 10].flatMap((streams) => [`b.gateway.${streams}.p50`, `b.gateway.${streams}.p99`]),
  ...[1, 10].flatMap((streams) => [`b.plane.${streams}.p50`, `b.plane.${streams}.p99`]),
  ...['c.200', 'c.2000', 'd.first_delta', 'd.chunk'],
  ...['e.memory', 'f.sessions', 'f.p99', 'g.p50', 'g.p99', 'h.p50', 'h.p99'],
  ...['i', 'i.begun', 'i.begun.p90', 'i.told', 'i.ack', 'i.bare', 'i.bare.p90', 'i.bare_same'],
];
const runBoundMs = 120_000;

describe('npm run bench', () => {
  let folder: string;
  let bench: ChildProcess | undefined;
  beforeAll(() => {
    folder = openFolder('turngate-bench-test-');
  });
  afterAll(async () => {
    if (bench && bench.exitCode === null && bench.signalCode === null) {
      const ended = new Promise((resolve) => bench?.once('exit', resolve));
      bench.kill('SIGTERM');
      await ended;
    }
    removeFolder(folder);
  });

  function run(args: string[]): { output(): string; exited: Promise<number | null> } {
    const { PATH, HOME, TURNGATE_CACHE_DIR, XDG_CACHE_HOME, TURNGATE_TEST_BUNDLE } = process.env;
    const kept = { PATH, HOME, TURNGATE_CACHE_DIR, XDG_CACHE_HOME };
    // All that it writes goes below this folder, so that what it leaves can be seen.
    const env = { ...kept, TMPDIR: folder, TURNGATE_WORKFLOW_BUNDLE: TURNGATE_TEST_BUNDLE };
    const started = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(repository, 'bench', 'main.ts'), ...args],
      { cwd: repository, env, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    bench = started;
    let output = '';
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
      });
    }
    const exited = new Promise<number | null>((resolve) => started.once('close', resolve));
    return { output: () => output, exited };
  }

  test(
    'a quick run prints its table, writes its rows, and leaves nothing',
    async () => {
      const results = join(folder, 'results');
      const { output, exited } = run(['--quick', '--results', results]);
      const code = await exited;
      const files = readdirSync(results);
      expect(files).toHaveLength(1);
      expect(output()).toContain('history events of a turn of 2,000 tokens');
      const result: Result = JSON.parse(readFileSync(join(results, String(files[0])), 'utf8'));
      expect(result.quick).toBe(true);
      expect(result.rows.map((row) => row.id)).toEqual(ids);
      // How much memory so few connections take is within what a process's memory moves by itself; and on a busy
      // machine no number of sessions may be few enough.
      const figures = result.rows.filter((row) => !/^[ef]\./.test(row.id));
      expect(figures.every((row) => row.value > 0)).toBe(true);
      expect(result.machine.cores).toBeGreaterThan(0);
      expect(Object.keys(result.machine.versions)).toContain('temporal_server');
      // What time takes depends on the machine; how many events a turn has does not.
      expect(result.rows.filter((row) => row.id.startsWith('c.')).map((row) => row.met)).toEqual([
        true,
        true,
      ]);
      const required = result.rows.filter((row) => /^[cd]\./.test(row.id));
      expect(code).toBe(required.every((row) => row.met) ? 0 : 1);
      expect(readdirSync(folder)).toEqual(['results']);
    },
    runBoundMs,
  );

  test(
    'a stop while it starts ends everything',
    async () => {
      const { output, exited } = run(['--quick']);
      await new Promise<void>((resolve) => bench?.stdout?.once('data', () => resolve()));
      bench?.kill('SIGINT');
      expect(await exited).toBe(1);
      expect(output()).toContain('The bench was stopped (SIGINT).');
      expect(readdirSync(folder)).toEqual(['results']);
    },
    runBoundMs,
  );
});
