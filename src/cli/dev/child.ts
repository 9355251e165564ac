import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { signalGroup, startedAt } from './process-identity.ts';
import { StartFailure } from './start-failure.ts';

export interface ChildSpec {
  /** What the console, the log file and `.turngate/dev.json` call it. */
  role: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** File that gets its stdout and stderr. */
  logFile: string;
  /** Whether it tells over an IPC channel that it is ready (see src/cli/ready.ts). */
  ipc: boolean;
  /** Signals that ask it to end, the gentlest first; SIGKILL comes after them by itself. */
  stopSignals: NodeJS.Signals[];
  user?: { uid: number; gid: number };
}

export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A running part: it leads a process group of its own, so that no terminal's Ctrl-C reaches it before its turn. */
export interface Child {
  role: string;
  pid: number;
  started: string;
  exited: Promise<ChildExit>;
  /** The first `ready` message of the child; never settles where it sends none. */
  readyMessage: Promise<Record<string, unknown>>;
  spec: ChildSpec;
}

const tailBytes = 2_000;

/**
 * Starts a part. Its output goes straight into its log file, not through a pipe of ours: a supervisor that is
 * killed must not take along, by a broken pipe, what an orderly next start would stop in order.
 * @throws StartFailure where the program cannot be started
 */
export async function startChild(spec: ChildSpec): Promise<Child> {
  mkdirSync(dirname(spec.logFile), { recursive: true, mode: 0o700 });
  const log = openSync(spec.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: spec.ipc ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
      ...spec.user,
    });
  } finally {
    closeSync(log);
  }
  const exited = new Promise<ChildExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const readyMessage = new Promise<Record<string, unknown>>((resolve) => {
    child.on('message', (message) => {
      if (isReady(message)) resolve(message);
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', () => resolve());
    child.once('error', (error) =>
      reject(new StartFailure(`${spec.role} (${spec.command}) cannot be started: ${error.message}.`)),
    );
  });
  const pid = child.pid ?? 0;
  return { role: spec.role, pid, started: startedAt(pid) ?? 'ended', exited, readyMessage, spec };
}

function isReady(message: unknown): message is Record<string, unknown> {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
}

/**
 * Waits until a part is ready, or ended, or too late.
 * @throws StartFailure with the end of its log
 */
export async function untilReady<T>(
  child: Child,
  ready: (signal: AbortSignal) => Promise<T>,
  boundMs: number,
): Promise<T> {
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), boundMs);
  });
  const readiness = ready(abort.signal).then((value) => ({ value }));
  try {
    const first = await Promise.race([readiness, child.exited, tooLate]);
    if (typeof first === 'object' && 'value' in first) return first.value;
    const why =
      first === 'late'
        ? `was not ready after ${boundMs / 1_000} s`
        : `ended (${describeExit(first)}) before it was ready`;
    throw new StartFailure(
      `${child.role} ${why}. The end of ${child.spec.logFile}:\n${tail(child.spec.logFile)}`,
    );
  } finally {
    clearTimeout(timer);
    abort.abort();
    // The probe may still fail once aborted; whoever waited has an answer already.
    readiness.catch(() => undefined);
  }
}

export function describeExit(exit: ChildExit): string {
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
}

function tail(file: string): string {
  const size = statSync(file).size;
  const buffer = Buffer.alloc(Math.min(size, tailBytes));
  const fd = openSync(file, 'r');
  try {
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
  } finally {
    closeSync(fd);
  }
  return buffer.toString('utf8').trim();
}

/**
 * Stops a part: each of its signals, then SIGKILL to its whole group, sharing the bound equally.
 * @returns true where no SIGKILL was needed
 */
export async function stopChild(child: Child, boundMs: number): Promise<boolean> {
  const steps = [...child.spec.stopSignals, 'SIGKILL' as const];
  let gentle = true;
  for (const signal of steps) {
    gentle = signal !== 'SIGKILL';
    // Only the leader is asked gently: it knows how to end its own children. SIGKILL it cannot pass on.
    if (gentle) signalProcess(child.pid, signal);
    else signalGroup(child.pid, signal);
    if (await endedWithin(child, boundMs / steps.length)) break;
  }
  // What the leader left behind in its group (a tool's server, a forked helper) goes with it.
  signalGroup(child.pid, 'SIGKILL');
  return gentle;
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function endedWithin(child: Child, boundMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), boundMs);
  });
  try {
    return await Promise.race([child.exited.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
