import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { createPostgresPlane } from '../src/live/postgres-plane.ts';
import { nowMs } from './clock.ts';
import { cpuMs } from './cpu.ts';
import { type Findings, row } from './rows.ts';
import { BenchSession } from './session.ts';
import { round, type Spread, spread } from './stats.ts';
import { delaysWhileAllRan, StreamLog } from './stream-log.ts';
import type { System } from './system.ts';

const everyMs = 20;
/** Streams begin one after the other: a hundred turns at once would measure how turns queue, not how text flows. */
const startEveryMs = 40;
/** From the last beginning to the window, and for streams that began late. */
const settleMs = 1_500;
const openAtOnce = 100;
const publisherBoundMs = 60_000;
const aims = { p50: 1, p99: 10 };

interface Load {
  streams: number;
  /** How long all streams run together, at least about. */
  windowMs: number;
}

/**
 * (b) Streams of 50 tokens a second through model, worker, live plane and gateway: from the model's write of a token to
 * its arrival at a WebSocket client. Tokens count that were written while all streams ran.
 */
export async function measureDeltas(system: System, load: Load): Promise<Findings> {
  const { of, cpu } = await streamTogether(system, { ...load, everyMs, startEveryMs });
  const [name, id] = [`model writes → client has it, ${counted(load.streams)}`, `b.gateway.${load.streams}`];
  return {
    rows: [
      row(`${id}.p50`, `${name}, p50`, of.p50, 'ms', aims.p50),
      row(`${id}.p99`, `${name}, p99`, of.p99, 'ms', aims.p99),
    ],
    details: { delay: of, ...cpu },
  };
}

export interface Pace {
  /** Between two tokens of a stream. */
  everyMs: number;
  /** Between the beginnings of two streams. */
  startEveryMs: number;
}

/** Runs turns side by side: the delays of their tokens, and how much of a core each process took meanwhile. */
export async function streamTogether(
  system: System,
  load: Load & Pace,
): Promise<{ of: Spread; cpu: Record<string, number | null> }> {
  const tokens = tokensFor(load);
  const sessions = await openSessions(system, load.streams);
  try {
    const beganMs = nowMs();
    const cpuBefore = cpuOf(system);
    const turns = await Promise.all(
      sessions.map(async (session, index) => {
        await delay((index + Math.random()) * load.startEveryMs);
        return session.ask({ tokens, everyMs: load.everyMs, firstMs: 0 });
      }),
    );
    const seconds = (nowMs() - beganMs) / 1_000;
    const cpu = Object.entries(cpuOf(system)).map(([role, after]) => {
      const before = cpuBefore[role];
      const used = after === null || before == null ? null : round((after - before) / seconds / 10, 1);
      return [`${role}_cpu_percent`, used] as const;
    });
    const { delays } = delaysWhileAllRan(turns.map((turn) => turn.log));
    return { of: spread(delays), cpu: Object.fromEntries(cpu) };
  } finally {
    for (const session of sessions) session.close();
  }
}

async function openSessions(system: System, count: number): Promise<BenchSession[]> {
  const sessions: BenchSession[] = [];
  for (let left = count; left > 0; left -= openAtOnce) {
    const some = Array.from({ length: Math.min(left, openAtOnce) }, () => BenchSession.open(system.dev));
    sessions.push(...(await Promise.all(some)));
  }
  return sessions;
}

/** The live plane alone under the same load: from `publish` in one process to the subscriber in another. */
export async function measurePlane(system: System, load: Load): Promise<Findings> {
  const logs = new Map<string, StreamLog>();
  const live = createPostgresPlane({
    connectionString: system.dev.database_url,
    applicationName: 'bench-subscriber',
    logger: pino({ level: 'warn' }),
  });
  let fault: unknown;
  try {
    await live.subscribe((message) => {
      if (message.kind !== 'delta') return;
      const receivedMs = nowMs();
      const log = logs.get(message.messageId) ?? new StreamLog();
      logs.set(message.messageId, log);
      try {
        log.add(message.offset, message.delta, receivedMs);
      } catch (error) {
        fault = error;
      }
    });
    const order = {
      BENCH_STREAMS: load.streams,
      BENCH_TOKENS: tokensFor({ ...load, everyMs, startEveryMs }),
      BENCH_EVERY_MS: everyMs,
    };
    const env = Object.fromEntries(Object.entries(order).map(([name, value]) => [name, String(value)]));
    await system.runProcess('publisher', env, publisherBoundMs);
  } finally {
    await live.close();
  }
  if (fault) throw fault;
  const of = spread(delaysWhileAllRan([...logs.values()]).delays);
  const [name, id] = [
    `live plane alone: published → received, ${counted(load.streams)}`,
    `b.plane.${load.streams}`,
  ];
  return {
    rows: [row(`${id}.p50`, `${name}, p50`, of.p50, 'ms'), row(`${id}.p99`, `${name}, p99`, of.p99, 'ms')],
    details: { delay: of },
  };
}

function tokensFor({ streams, windowMs, ...pace }: Load & Pace): number {
  return Math.ceil((streams * pace.startEveryMs + settleMs + windowMs) / pace.everyMs);
}

function counted(streams: number): string {
  return streams === 1 ? '1 stream' : `${streams} streams`;
}

function cpuOf(system: System): Record<string, number | null> {
  const roles = Object.entries(system.dev.processes);
  return Object.fromEntries([
    ...roles.map(([role, pid]) => [role, cpuMs(pid)] as const),
    ['bench', cpuMs(process.pid)],
  ]);
}
