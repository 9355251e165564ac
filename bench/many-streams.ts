import { streamTogether } from './deltas.ts';
import { atLeast, type Findings, row } from './rows.ts';
import { NeverTogether } from './stream-log.ts';
import type { System } from './system.ts';

/** 20 tokens a second. */
const everyMs = 50;
/** Fewer a second than turns can begin, so that streams and not beginnings are measured. */
const startEveryMs = 30;
const boundMs = 50;
const aimSessions = 1_000;

interface Load {
  /** Numbers of sessions that are tried, the smallest first. */
  steps: number[];
  windowMs: number;
}

/**
 * (f) The most sessions that stream 20 tokens a second each, all at once, while 99 of 100 tokens arrive within 50 ms
 * of their write by the model. More and more are tried until one number is too many.
 */
export async function measureManyStreams(system: System, { steps, windowMs }: Load): Promise<Findings> {
  let most = 0;
  let p99 = 0;
  const details: Findings['details'] = {};
  for (const streams of steps) {
    const found = await streamTogether(system, { streams, windowMs, everyMs, startEveryMs }).catch(tooMany);
    if (!found) break;
    const { of, cpu } = found;
    details[`delay_${streams}`] = of;
    for (const [role, percent] of Object.entries(cpu)) details[`${role}_${streams}`] = percent;
    if (of.p99 > boundMs) break;
    [most, p99] = [streams, of.p99];
  }
  return {
    rows: [
      atLeast(
        'f.sessions',
        `most sessions at 20 tokens a second, p99 ≤ ${boundMs} ms`,
        most,
        'sessions',
        aimSessions,
      ),
      row('f.p99', 'their p99, model writes → client has it', p99, 'ms', boundMs),
    ],
    details,
  };
}

/** So many that turns do not begin as quickly as they are asked for. */
function tooMany(error: unknown): null {
  if (error instanceof NeverTogether) return null;
  throw error;
}
