import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { errorCode } from '../../protocol/error-text.ts';

/** A process that can be told apart from a later one that got the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** When the process began, in the system's own words: clock ticks and boot id on Linux, a date elsewhere. */
  started: string;
}

const psTimeoutMs = 2_000;

/** Tells boots apart: after a reboot the same pid may begin at the same tick. Empty where the system has none. */
const bootId = readBootId();

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** When the process with this pid began, or null where there is none (a zombie counts as none). */
export function startedAt(pid: number): string | null {
  return process.platform === 'linux' ? startedAtLinux(pid) : startedAtElsewhere(pid);
}

/** The identity of a running process, or null where it has ended. */
export function identify(pid: number): ProcessIdentity | null {
  const started = startedAt(pid);
  return started === null ? null : { pid, started };
}

/** Whether exactly this process still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return startedAt(identity.pid) === identity.started;
}

function startedAtLinux(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field is the program's name in parentheses and may hold spaces: count from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, started] = [fields[0], fields[19]];
  return state === 'Z' || state === 'X' || started === undefined ? null : `${started}@${bootId}`;
}

function startedAtElsewhere(pid: number): string | null {
  try {
    const env = { PATH: process.env.PATH, LC_ALL: 'C' };
    const options: ExecFileSyncOptionsWithStringEncoding = {
      encoding: 'utf8',
      timeout: psTimeoutMs,
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    };
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], options).trim();
    const [state = '', ...started] = line.split(/\s+/);
    return state === '' || state.startsWith('Z') ? null : started.join(' ');
  } catch {
    // ps ends with 1 where no such process exists.
    return null;
  }
}

/**
 * Whether processes of the group that it led still run though it has ended itself. A pid is not given again while a
 * group has its number, so they are its own, unless the machine was started anew since.
 */
export function leftGroupBehind(identity: ProcessIdentity): boolean {
  const sameBoot = bootId !== '' && identity.started.endsWith(`@${bootId}`);
  return sameBoot && startedAt(identity.pid) === null && groupExists(identity.pid);
}

function groupExists(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    // No such group, or one of another user's: not ours either way.
    return false;
  }
}

/**
 * Sends a signal to a process and its group, which it leads.
 * @returns false where neither exists any more
 */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}
