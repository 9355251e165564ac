import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { writeFileWhole } from './data-folder.ts';
import { isRunning, leftGroupBehind, signalGroup } from './process-identity.ts';

const record = z.object({
  role: z.string(),
  pid: z.number().int().positive(),
  started: z.string(),
  /** Asked in this order before SIGKILL, as for a child of ours. */
  stopSignals: z.array(z.string()),
});
export type ProcessRecord = z.infer<typeof record>;

const fileOf = (folder: string) => join(folder, 'processes.json');
const signalBoundMs = 2_500;
const pollMs = 20;

/** Writes down what runs, so that a next start can find it though this process was killed. */
export function recordProcesses(folder: string, processes: ProcessRecord[]): void {
  writeFileWhole(fileOf(folder), `${JSON.stringify({ processes }, null, 2)}\n`);
}

/**
 * Stops what an earlier supervisor left running, in the order in which it is recorded.
 * @param say told about each of them
 */
export async function stopSurvivors(folder: string, say: (line: string) => void): Promise<void> {
  for (const survivor of readRecords(fileOf(folder))) {
    if (isRunning(survivor)) {
      say(`Stopping ${survivor.role} (process ${survivor.pid}), which an earlier start left running.`);
      await stopSurvivor(survivor);
    } else if (leftGroupBehind(survivor)) {
      signalGroup(survivor.pid, 'SIGKILL');
    }
  }
  recordProcesses(folder, []);
}

function readRecords(file: string): ProcessRecord[] {
  if (!existsSync(file)) return [];
  try {
    return z.object({ processes: z.array(record) }).parse(JSON.parse(readFileSync(file, 'utf8'))).processes;
  } catch {
    // Cut short by a power cut: then no process has survived either.
    return [];
  }
}

async function stopSurvivor(survivor: ProcessRecord): Promise<void> {
  for (const signal of [...survivor.stopSignals, 'SIGKILL']) {
    if (signal === 'SIGKILL') signalGroup(survivor.pid, 'SIGKILL');
    else if (isRunning(survivor)) process.kill(survivor.pid, signal);
    if (await endsWithin(survivor, signalBoundMs)) break;
  }
  if (leftGroupBehind(survivor)) signalGroup(survivor.pid, 'SIGKILL');
}

async function endsWithin(survivor: ProcessRecord, boundMs: number): Promise<boolean> {
  const deadline = Date.now() + boundMs;
  while (Date.now() < deadline) {
    if (!isRunning(survivor)) return true;
    await delay(pollMs);
  }
  return false;
}
