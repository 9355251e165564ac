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
  const ticks = children.reduce((sum, child) => sum + (child?.ticks ?? 0), own.ticks);
  return (ticks * 1_000) / ticksPerSecond;
}

function readStat(pid: number): { parent: number; ticks: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    // No /proc here, or the process has ended.
    return null;
  }
}
