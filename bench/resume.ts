import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import type { ServerFrame } from '../src/protocol/server-frames.ts';
import { nowMs, stamp } from './clock.ts';
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
  const { ws, token } = system.dev;
  const dialledMs = nowMs();
  const socket = new WebSocket(`${ws}/v1/sessions/${stream.sessionId}/ws?last_seq=${stream.lastSeq}`, {
    headers: { authorization: `Bearer ${token}` },
    perMessageDeflate: false,
    handshakeTimeout: levelBoundMs,
  });
  try {
    return await new Promise<number>((resolve, reject) => {
      const bound = setTimeout(() => reject(new Error('A client did not get level in time.')), levelBoundMs);
      socket.on('close', (code) => reject(new Error(`The gateway closed a resuming client: ${code}.`)));
      socket.on('error', reject);
      socket.on('message', (data) => {
        const frame = JSON.parse(String(data)) as ServerFrame;
        if (frame.type !== 'stream_snapshot') return;
        clearTimeout(bound);
        if (frame.content === text) resolve(nowMs() - dialledMs);
        else reject(new Error('A resuming client was shown another text than was said.'));
      });
    });
  } finally {
    socket.terminate();
  }
}
