import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DevInfo } from '../../src/cli/dev/dev-file.ts';
import { startedAt } from '../../src/cli/dev/process-identity.ts';
import { repository } from '../helpers/dev.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { until } from '../helpers/until.ts';

interface DemoRun {
  process: ChildProcess;
  exited: Promise<number | NodeJS.Signals>;
  output(): string;
}

/** The whole tour, on a machine that does other things too. */
const tourBoundMs = 240_000;

let folder: string;
let run: DemoRun | undefined;
beforeEach(() => {
  folder = openFolder('turngate-demo-test-');
  mkdirSync(join(folder, 'tmp'));
});
afterEach(async () => {
  run?.process.kill('SIGTERM');
  await run?.exited;
  run = undefined;
  removeFolder(folder);
});

/** Whatever the demo leaves behind would be in its temporary folder, which is this test's. */
function startDemo(env: NodeJS.ProcessEnv = {}): DemoRun {
  const child = spawn(process.execPath, [join(repository, 'src', 'cli', 'main.ts'), 'demo'], {
    cwd: repository,
    env: {
      ...process.env,
      // Settings of somebody's own copy, which the tour must not heed.
      ...{ GATEWAY_PORT: '1', OPENAI_API_KEY: 'not a key', DATABASE_URL: 'postgres://127.0.0.1:1/none' },
      TURNGATE_WORKFLOW_BUNDLE: process.env.TURNGATE_TEST_BUNDLE,
      TMPDIR: join(folder, 'tmp'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output += chunk.toString('utf8');
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL'));
  });
  return { process: child, exited, output: () => output };
}

/** Every process that the output names. */
function processesIn(output: string): number[] {
  const started = /ready: (.*?) {2}/.exec(output)?.[1]?.match(/\d+/g) ?? [];
  const restarted = [...output.matchAll(/is back \(process (\d+)\)/g)].map(([, pid]) => pid);
  return [...started, ...restarted].map(Number);
}

const left = () => readdirSync(join(folder, 'tmp'));

describe('npm run demo', () => {
  test(
    'drives itself through kill -9 of worker and gateway, an edited approval and a tool that asks, and ends with 0',
    async () => {
      run = startDemo();
      expect([await run.exited, run.output()]).toEqual([0, expect.stringContaining('everything held')]);
      const output = run.output();
      for (const word of [
        'I| have| thought| about| durable| execution.|',
        'office.send_mail {"to":"bob@example.com"',
        'Temporal shows the run as waiting for office.send_mail',
        '(worker)',
        '(gateway)',
        'close code 1006',
        'both are back, as new processes',
        'the model asked for  {"to":"bob@example.com"',
        'what runs            {"to":"ann@example.com"',
        'the tool is done: completed',
        'To: ann@example.com',
        'Subject: Hello',
        'office.book_room {"day":',
        'A| person| changed| what| I| asked| for,',
        'approved; and the tool asks: Which room for "team lunch"',
        'it is back, as a new process',
        'answered: {"room":"Birch","coffee":true}',
        'one room is booked: Day: ',
        "the client's text is the stored text: 5 answers",
        'none doubled, none missing',
        'The link to the Temporal UI is valid only while it runs',
      ]) {
        expect(output).toContain(word);
      }
      expect(output).toMatch(
        /http:\/\/127\.0\.0\.1:\d+\/namespaces\/default\/workflows\/session:[0-9a-f-]{36}\/[0-9a-f-]{36}\/history/,
      );
      const processes = processesIn(output);
      expect(processes.length).toBe(8);
      expect(processes.filter((pid) => startedAt(pid) !== null)).toEqual([]);
      expect(left()).toEqual([]);
    },
    tourBoundMs,
  );

  test('a part that cannot be had: one sentence, exit code 1, nothing left', async () => {
    run = startDemo({
      PATH: folder,
      TURNGATE_CACHE_DIR: join(folder, 'cache'),
      TURNGATE_TEMPORAL_DOWNLOAD: 'http://127.0.0.1:1',
    });
    expect(await run.exited).toBe(1);
    expect(run.output()).toMatch(
      /The tour failed: `turngate dev` ended \(exit code 1\); its last words: Temporal's program is not here/,
    );
    expect(left()).toEqual([]);
  });

  test('the supervisor killed in the middle: exit code 1, and its parts are stopped', async () => {
    const current = startDemo();
    run = current;
    await until(() => current.output().includes('ack: the message'), 45_000);
    const processes = processesIn(current.output());
    expect(processes.length).toBe(5);
    const file = join(folder, 'tmp', left()[0] ?? '', 'data', 'dev.json');
    const { supervisor } = JSON.parse(readFileSync(file, 'utf8')) as DevInfo;
    process.kill(supervisor, 'SIGKILL');
    expect(await current.exited).toBe(1);
    expect(current.output()).toContain('The tour failed: `turngate dev` ended (SIGKILL)');
    expect(processes.filter((pid) => startedAt(pid) !== null)).toEqual([]);
    expect(left()).toEqual([]);
  });
});
