import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Child, type ChildSpec, startChild } from '../../src/cli/dev/child.ts';
import { startedAt } from '../../src/cli/dev/process-identity.ts';
import { type Part, Supervisor } from '../../src/cli/dev/supervisor.ts';
import { recordProcesses, stopSurvivors } from '../../src/cli/dev/survivors.ts';
import { until } from '../helpers/gateway.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';

/** Says that it is ready, then runs on; `stubborn` ones do not heed SIGTERM. */
const wellBehaved = `process.send({ type: 'ready' }); setInterval(() => {}, 1000)`;
const stubborn = `process.on('SIGTERM', () => {}); ${wellBehaved}`;

let folder: string;
let supervisor: Supervisor;
let lines: string[];
beforeEach(() => {
  folder = openFolder('turngate-supervisor-');
  lines = [];
  supervisor = new Supervisor({ say: (line) => void lines.push(line), changed: () => undefined });
});
afterEach(async () => {
  await supervisor.stop([]);
  removeFolder(folder);
});

const specOf = (role: string, script: string): ChildSpec => ({
  role,
  command: process.execPath,
  args: ['-e', script],
  env: {},
  cwd: '/',
  logFile: join(folder, `${role}.log`),
  ipc: true,
  stopSignals: ['SIGTERM'],
  hint: 'Do better.',
});
const partOf = (role: string, script: string): Part => ({
  role,
  spec: specOf(role, script),
  ready: async (child: Child) => void (await child.readyMessage),
});

describe('the supervisor', () => {
  test('brings back a part that dies, says so, and stops all in order', async () => {
    const first = await supervisor.start(partOf('gateway', wellBehaved));
    await supervisor.start(partOf('postgres', wellBehaved));
    process.kill(first.pid, 'SIGKILL');
    await until(() => lines.some((line) => line.startsWith('gateway is back')));
    expect(lines[0]).toBe('gateway ended (signal SIGKILL); starting it again in 0.2 s.');
    const pids = Object.values(supervisor.processes());
    expect(pids).toHaveLength(2);
    expect(pids).not.toContain(first.pid);
    await supervisor.stop(['gateway', 'postgres']);
    expect(pids.map(startedAt)).toEqual([null, null]);
    expect(supervisor.processes()).toEqual({});
  });

  test('kills what does not heed its signal, and all parts together end in under 5 s', async () => {
    const roles = ['gateway', 'worker', 'demo-model', 'temporal', 'postgres'];
    await Promise.all(roles.map((role) => supervisor.start(partOf(role, stubborn))));
    const pids = Object.values(supervisor.processes());
    const began = performance.now();
    await supervisor.stop(roles);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(pids.map(startedAt)).toEqual(roles.map(() => null));
    expect(lines).toEqual(roles.map((role) => `${role} did not end in time and was killed.`));
  });

  test('ends what a killed part left in its group', async () => {
    const nested = `const { spawn } = require('node:child_process');
      const helper = spawn('sleep', ['60'], { stdio: 'ignore' });
      helper.once('spawn', () => process.send({ type: 'ready', helper: helper.pid }));
      setInterval(() => {}, 1000)`;
    const child = await supervisor.start(partOf('worker', nested));
    const helper = Number((await child.readyMessage).helper);
    expect(startedAt(helper)).not.toBeNull();
    process.kill(child.pid, 'SIGKILL');
    await until(() => startedAt(helper) === null);
  });

  test('a part that ends before it is ready fails the start with its last words and what to do', async () => {
    const failing = `console.log(JSON.stringify({ level: 50, msg: 'no such port' })); process.exit(3)`;
    await expect(supervisor.start(partOf('gateway', failing))).rejects.toThrow(
      'gateway ended (exit code 3) before it was ready; its last words: "no such port". Do better.',
    );
    expect(supervisor.processes()).toEqual({});
  });

  test('a stop during a start leaves nothing', async () => {
    const never = partOf('worker', 'setInterval(() => {}, 1000)');
    const starting = supervisor.start(never);
    const failed = expect(starting).rejects.toThrow();
    await until(() => supervisor.processes().worker !== undefined);
    const pid = Number(supervisor.processes().worker);
    await supervisor.stop([]);
    await failed;
    expect(startedAt(pid)).toBeNull();
    await expect(supervisor.start(never)).rejects.toThrow('abort');
  });

  test('a program that is not there is one sentence', async () => {
    const part = partOf('temporal', '');
    part.spec.command = join(folder, 'nothing-here');
    await expect(supervisor.start(part)).rejects.toThrow('temporal (');
  });
});

describe('survivors of a killed supervisor', () => {
  test('are found by pid and start time, and stopped; a stranger with a recorded pid is left alone', async () => {
    const survivor = await startChild(specOf('worker', stubborn));
    const stranger = await startChild(specOf('gateway', wellBehaved));
    await Promise.all([survivor.readyMessage, stranger.readyMessage]);
    const { role, pid, started } = survivor;
    recordProcesses(folder, [
      { role: 'gateway', pid: stranger.pid, started: 'another time', stopSignals: ['SIGTERM'] },
      { role, pid, started, stopSignals: ['SIGTERM'] },
    ]);
    try {
      await stopSurvivors(folder, (line) => void lines.push(line));
      expect(lines).toEqual([`Stopping worker (process ${pid}), which an earlier start left running.`]);
      expect(startedAt(pid)).toBeNull();
      expect(startedAt(stranger.pid)).toBe(stranger.started);
    } finally {
      process.kill(stranger.pid, 'SIGKILL');
      await stranger.exited;
    }
  });
});
