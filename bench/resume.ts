import { setTimeout as delay } from 'node:timers/promises';
import { nowMs, stamp } from './clock.ts';
import { joinStream } from './join-stream.ts';
import { type OpenStream, withOpenStreams } from './open-streams.ts';
import { type Findings, row } from './rows.ts';
import { spread } from './stats.ts';
import type { System } from './system.ts';

const aimMs = 50;
const missedDeltas = 500;
/** Over this time a gateway that restarts spreads a thousand clients; see src/gateway/restart-delay.ts. */
const spreadMs = 4_000;
const levelBoundMs = 20_000;
const firstSession = 20_000;
/** Clients before those that count: a gateway that has never served anybody runs uncompiled code. */
const warmUpShare = 0.2;

/**
 * (g) Clients that come back in the middle of a stream, all within the time over which a restart spreads them: from
 * the dial to the moment at which the client shows all that was said. Nobody else is in their sessions, so the gateway
 * knows nothing of them and reads each from the store.
 */
export async function measureResume(system: System, { clients }: { clients: number }): Promise<Findings> {
  const text = Array.from({ length: missedDeltas }, stamp).join('');
  const warmUps = Math.ceil(clients * warmUpShare);
  const order = { from: firstSession, count: warmUps + clients, text };
  const taken = await withOpenStreams(system, order, (streams) =>
    Promise.all(
      streams.map(async (stream, index) => {
        await delay((index / clients) * spreadMs);
        return timeToLevel(system, stream, text);
      }),
    ),
  );
  const of = spread(taken.slice(warmUps));
  const name = `${clients.toLocaleString('en')} clients resume ${missedDeltas} missed deltas within ${spreadMs / 1_000} s`;
  return {
    rows: [row('g.p50', `${name}, p50`, of.p50, 'ms'), row('g.p99', `${name}, p99`, of.p99, 'ms', aimMs)],
    details: { dial_to_level: of },
  };
}

async function timeToLevel(system: System, stream: OpenStream, text: string): Promise<number> {
  let shown = '';
  const dialledMs = nowMs();
  const socket = await joinStream(system, stream, levelBoundMs, (frame) => {
    if (frame.type === 'stream_snapshot') shown = frame.content;
    return frame.type === 'stream_snapshot';
  });
  const tookMs = nowMs() - dialledMs;
  socket.terminate();
  if (shown !== text) throw new Error('A resuming client was shown another text than was said.');
  return tookMs;
}
