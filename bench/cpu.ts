import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts processor time in these. */
const ticksPerSecond = 100;

/**
 * Processor time that a process and its children have used, in milliseconds; null where the system does not say (no
 * /proc).
 */
export function cpuMs(pid: number): number | null {
  const own = readStat(pid);
  if (own === null) return null;
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat?.parent === pid);
  const ticks = children.reduce((sum, child) => sum + (child?.ticks ?? 0), own.ticks + own.endedTicks);
  return (ticks * 1_000) / ticksPerSecond;
}

interface Stat {
  parent: number;
  ticks: number;
  /** Of children that have ended: Postgres's come and go. */
  endedTicks: number;
}

function readStat(pid: number): Stat | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [parent, user, system, endedUser, endedSystem] = [1, 11, 12, 13, 14].map((at) =>
      Number(fields[at]),
    );
    return {
      parent: parent ?? 0,
      ticks: (user ?? 0) + (system ?? 0),
      endedTicks: (endedUser ?? 0) + (endedSystem ?? 0),
    };
  } catch {
    // No /proc here, or the process has ended.
    return null;
  }
}
