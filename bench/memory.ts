import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const sampleEveryMs = 500;

/** Resident memory of a process in bytes; null where the system does not say (no /proc). */
function residentBytes(pid: number): number | null {
  try {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return line ? Number(line[1]) * 1_024 : null;
  } catch {
    // No /proc here, or the process has ended.
    return null;
  }
}

/** The least that was resident at any time in the window: what comes and goes is not counted. */
export async function leastResidentBytes(pid: number, windowMs: number): Promise<number> {
  const until = performance.now() + windowMs;
  let least = Number.POSITIVE_INFINITY;
  while (performance.now() < until) {
    const bytes = residentBytes(pid);
    if (bytes === null) throw new Error('This system does not tell what memory a process takes (no /proc).');
    least = Math.min(least, bytes);
    await delay(sampleEveryMs);
  }
  return least;
}
