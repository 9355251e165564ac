import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process that can be told apart from a later one that got the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** When the process began, in the system's own words: clock ticks since boot on Linux, a date elsewhere. */
  started: string;
}

const psTimeoutMs = 2_000;

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
  return state === 'Z' || state === 'X' || started === undefined ? null : started;
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
 * Sends a signal to a process and its group, which it leads.
 * @returns false where neither exists any more
 */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
