import { leastResidentBytes } from './memory.ts';
import { userOf, writeNumberedSessions } from './numbered-sessions.ts';
import { type Findings, row } from './rows.ts';
import { round } from './stats.ts';
import type { System } from './system.ts';

const openBoundMs = 180_000;
const aimKilobytes = 8;

interface Load {
  connections: number;
  /** How long memory is watched before and after. */
  watchMs: number;
}

/**
 * (e) Memory of a connection that does nothing: authenticated, registered, each in a session of its own, against a
 * WebSocket of a bare uWebSockets.js process in the same run.
 */
export async function measureIdle(system: System, { connections, watchMs }: Load): Promise<Findings> {
  const { dev } = system;
  await writeNumberedSessions(dev.database_url, userOf(dev.token), { from: 0, count: connections });
  const gatewayPid = dev.processes.gateway ?? 0;
  const gateway = await grow(system, {
    pid: gatewayPid,
    target: `${dev.ws}/v1/sessions/{session}/ws`,
    connections,
    watchMs,
  });
  const bare = await system.startProcess('bare-sockets', {});
  const { pid } = bare;
  const { ws } = await bare.ready(openBoundMs);
  const floor = await grow(system, { pid, target: `${String(ws)}/{session}`, connections, watchMs });
  await bare.stop();
  const name = `memory of an idle connection, ${connections.toLocaleString('en')} held`;
  const perConnection = round((gateway.bytes - floor.bytes) / connections / 1_000, 2);
  return {
    rows: [row('e.memory', `${name}, above a bare one`, perConnection, 'kB', aimKilobytes)],
    details: {
      gateway_bytes_each: round(gateway.bytes / connections, 0),
      bare_bytes_each: round(floor.bytes / connections, 0),
      opened_a_second: round((connections / gateway.openMs) * 1_000, 0),
    },
  };
}

/** How much a process grows by the connections; all of them have to be there still at the end. */
async function grow(
  system: System,
  at: { pid: number; target: string; connections: number; watchMs: number },
): Promise<{ bytes: number; openMs: number }> {
  const before = await leastResidentBytes(at.pid, at.watchMs);
  const clients = await system.startProcess('idle-clients', {
    BENCH_TARGET: at.target,
    BENCH_TOKEN: system.dev.token,
    BENCH_COUNT: String(at.connections),
  });
  const { open_ms: openMs } = await clients.ready(openBoundMs);
  const after = await leastResidentBytes(at.pid, at.watchMs);
  const code = await clients.stop();
  if (code !== 0) throw new Error(`Not every idle connection was held; see the bench's log of idle-clients.`);
  return { bytes: after - before, openMs: Number(openMs) };
}
