import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { nowMs } from './clock.ts';
import { cpuMs } from './cpu.ts';
import { joinStream } from './join-stream.ts';
import { type OpenStream, withOpenStreams } from './open-streams.ts';
import { type Findings, row } from './rows.ts';
import { round, spread } from './stats.ts';
import { delaysWhileAllRan, StreamLog } from './stream-log.ts';
import type { System } from './system.ts';

/** 20 tokens a second. */
const everyMs = 50;
const aimMs = 50;
const firstSession = 30_000;
const dialEveryMs = 2;
const openBoundMs = 20_000;
const publishBoundMs = 120_000;
/** For the last deltas, which are under way when the publisher ends. */
const restMs = 500;

/**
 * (h) Streaming connections on the gateway: 20 deltas a second to each, published on the live plane by another process,
 * each connection in a session of its own. What a model, Temporal and a worker take is not in it.
 */
export async function measureGatewayStreams(
  system: System,
  { connections, windowMs }: { connections: number; windowMs: number },
): Promise<Findings> {
  const order = { from: firstSession, count: connections, text: '' };
  return withOpenStreams(system, order, async (streams) => {
    const logs = streams.map(() => new StreamLog());
    const sockets: WebSocket[] = [];
    const folder = mkdtempSync(join(tmpdir(), 'turngate-streams-'));
    try {
      for (const [index, stream] of streams.entries()) {
        sockets.push(await listen(system, stream, logs[index] ?? new StreamLog()));
        await delay(dialEveryMs);
      }
      const file = join(folder, 'streams.json');
      writeFileSync(file, JSON.stringify(streams));
      const tokens = Math.ceil(windowMs / everyMs);
      const gateway = system.dev.processes.gateway ?? 0;
      const [beganMs, cpuBefore] = [nowMs(), cpuMs(gateway)];
      const env = { BENCH_STREAMS_FILE: file, BENCH_TOKENS: String(tokens), BENCH_EVERY_MS: String(everyMs) };
      await system.runProcess('stream-publisher', env, publishBoundMs);
      const seconds = (nowMs() - beganMs) / 1_000;
      const cpu = ((cpuMs(gateway) ?? 0) - (cpuBefore ?? 0)) / seconds / 10;
      await delay(restMs);
      const of = spread(delaysWhileAllRan(logs).delays);
      const rate = Math.round((connections * 1_000) / everyMs).toLocaleString('en');
      const name = `gateway: ${connections.toLocaleString('en')} streaming connections, ${rate} deltas a second`;
      return {
        rows: [row('h.p50', `${name}, p50`, of.p50, 'ms'), row('h.p99', `${name}, p99`, of.p99, 'ms', aimMs)],
        details: { published_to_received: of, gateway_cpu_percent: round(cpu, 1) },
      };
    } finally {
      for (const socket of sockets) socket.terminate();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

/** A client that is level with its session, and notes when each token came. */
function listen(system: System, stream: OpenStream, log: StreamLog): Promise<WebSocket> {
  return joinStream(system, stream, openBoundMs, (frame, receivedMs) => {
    if (frame.type === 'stream_delta') log.add(frame.offset, frame.delta, receivedMs);
    else if (frame.type === 'stream_snapshot') log.add(0, frame.content, receivedMs);
    return frame.type === 'agent_status';
  });
}
