import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from '../../protocol/error-text.ts';
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
  /** What to do where it cannot start; the last words of the sentence a person reads. */
  hint: string;
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
  /** Length of its log file before it wrote there, in bytes. */
  logStart: number;
}

const tailBytes = 4_000;
const maxLastWordsChars = 600;
const keptLines = 3;
/** Lines of a stack or of Node's end, which say nothing to a person. */
const noise = /^\s+at |^\s*[{}],?$|^Node\.js v/;
/** Time for the kernel to end what got SIGKILL. */
const killMs = 200;

/**
 * Starts a part. Its output goes straight into its log file, not through a pipe of ours: a supervisor that is
 * killed must not take along, by a broken pipe, what an orderly next start would stop in order.
 * @throws StartFailure where the program cannot be started
 */
export async function startChild(spec: ChildSpec): Promise<Child> {
  mkdirSync(dirname(spec.logFile), { recursive: true, mode: 0o700 });
  const log = openSync(spec.logFile, 'a', 0o600);
  const logStart = fstatSync(log).size;
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
  return { role: spec.role, pid, started: startedAt(pid) ?? 'ended', exited, readyMessage, spec, logStart };
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
      first === 'late' ? `was not ready after ${boundMs / 1_000} s` : `ended (${describeExit(first)})`;
    const words = lastWords(child.spec.logFile, child.logStart);
    throw new StartFailure(
      `${child.role} ${why} before it was ready${words === '' ? '' : `; its last words: "${words}"`}. ${child.spec.hint} (Its log: ${child.spec.logFile})`,
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

function lastWords(file: string, from: number): string {
  const size = statSync(file).size;
  const start = Math.max(from, size - tailBytes);
  const buffer = Buffer.alloc(Math.max(0, size - start));
  const fd = openSync(file, 'r');
  try {
    readSync(fd, buffer, 0, buffer.length, start);
  } finally {
    closeSync(fd);
  }
  const lines = buffer
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !noise.test(line));
  return lines.slice(-keptLines).map(logMessage).join(' ').slice(-maxLastWordsChars);
}

/** The words of a pino line, or the line itself. */
function logMessage(line: string): string {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== 'object' || parsed === null) return line;
    const { msg, err } = parsed as { msg?: unknown; err?: { message?: unknown } };
    return [msg, err?.message].filter((part) => typeof part === 'string').join(': ') || line;
  } catch {
    // Not JSON: Postgres and Temporal write plain lines.
    return line.trim();
  }
}

/**
 * Stops a part: each of its signals, which share the bound equally, then SIGKILL to its whole group.
 * @returns true where no SIGKILL was needed
 */
export async function stopChild(child: Child, boundMs: number): Promise<boolean> {
  const { stopSignals } = child.spec;
  const gentleMs = Math.max(0, boundMs - killMs) / stopSignals.length;
  let gentle = await endedWithin(child, 0);
  for (const signal of gentle ? [] : stopSignals) {
    // Only the leader is asked: it knows how to end its own children.
    signalProcess(child.pid, signal);
    gentle = await endedWithin(child, gentleMs);
    if (gentle) break;
  }
  if (!gentle) {
    signalGroup(child.pid, 'SIGKILL');
    await endedWithin(child, killMs);
  }
  sweepGroup(child);
  return gentle;
}

/** Ends what a part that has ended left behind in its group: a tool's server, a forked helper. */
export function sweepGroup(child: Child): void {
  // A pid that is in use again is somebody else's by now.
  if (startedAt(child.pid) === null) signalGroup(child.pid, 'SIGKILL');
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
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
