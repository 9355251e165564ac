import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import type { ServerFrame } from '../src/protocol/server-frames.ts';
import { type Db, openPool } from '../src/store/db.ts';
import { writeDrafts } from '../src/store/drafts.ts';
import { acceptMessage } from '../src/store/messages.ts';
import { openStep } from '../src/store/steps.ts';
import { nowMs, stamp } from './clock.ts';
import { numberedSessionId, userOf, writeNumberedSessions } from './numbered-sessions.ts';
import { type Findings, row } from './rows.ts';
import { spread } from './stats.ts';
import type { System } from './system.ts';

const aimMs = 50;
const missedDeltas = 500;
/** Over this time a gateway that restarts spreads who comes back; see src/gateway/connections.ts. */
const spreadMs = 1_500;
const levelBoundMs = 20_000;
const writingAtOnce = 8;

interface Missed {
  sessionId: string;
  /** The last event that the client has: the stream's start. */
  lastSeq: number;
  text: string;
}

/**
 * (g) Clients that come back in the middle of a stream, all within the time over which a restart spreads them: from
 * the dial to the moment at which the client shows all that was said. Nobody else is in their sessions, so the gateway
 * knows nothing of them and reads each from the store. The worker is held still meanwhile: it does not know the streams,
 * and would end them.
 */
export async function measureResume(system: System, { clients }: { clients: number }): Promise<Findings> {
  const { dev } = system;
  const worker = dev.processes.worker;
  if (worker === undefined) throw new Error('turngate dev tells of no worker.');
  await writeNumberedSessions(dev.database_url, userOf(dev.token), clients);
  const db = openPool({
    connectionString: dev.database_url,
    max: writingAtOnce,
    applicationName: 'bench-resume',
    onError: (error) => console.error(error.message),
  });
  process.kill(worker, 'SIGSTOP');
  try {
    const missed = await writeStreams(db, userOf(dev.token).id, clients);
    const taken = await Promise.all(
      missed.map(async (one, index) => {
        await delay((index / clients) * spreadMs);
        return timeToLevel(system, one);
      }),
    );
    const of = spread(taken);
    const name = `${clients.toLocaleString('en')} clients resume ${missedDeltas} missed deltas within ${spreadMs / 1_000} s`;
    return {
      rows: [row('g.p50', `${name}, p50`, of.p50, 'ms'), row('g.p99', `${name}, p99`, of.p99, 'ms', aimMs)],
      details: { dial_to_level: of },
    };
  } finally {
    process.kill(worker, 'SIGCONT');
    await db.end();
  }
}

/** What a worker leaves in the store of a stream under way: message, turn, step and draft. */
async function writeStreams(db: Db, userId: string, count: number): Promise<Missed[]> {
  const missed: Missed[] = [];
  let next = 0;
  const write = async () => {
    while (next < count) missed.push(await writeStream(db, userId, numberedSessionId(next++)));
  };
  await Promise.all(Array.from({ length: writingAtOnce }, write));
  return missed;
}

async function writeStream(db: Db, userId: string, sessionId: string): Promise<Missed> {
  const clientMessageId = randomUUID();
  await acceptMessage(db, { sessionId, userId, clientMessageId, content: 'Say a lot.' });
  const bounds = { historyMessages: 50, maxSteps: 25 };
  const run = { sessionId, runId: randomUUID(), workflowId: `session:${sessionId}`, step: 1, ...bounds };
  const { opening, committed } = await openStep(db, run);
  const events = await committed;
  if (opening.kind !== 'open') throw new Error(`A stream of the bench could not be opened: ${opening.kind}.`);
  const text = Array.from({ length: missedDeltas }, stamp).join('');
  const { messageId, attempt } = opening;
  await writeDrafts(db, [{ messageId, sessionId, attempt, content: text, thought: '' }]);
  return { sessionId, lastSeq: events.at(-1)?.frame.seq ?? 0, text };
}

async function timeToLevel(system: System, { sessionId, lastSeq, text }: Missed): Promise<number> {
  const { ws, token } = system.dev;
  const dialledMs = nowMs();
  const socket = new WebSocket(`${ws}/v1/sessions/${sessionId}/ws?last_seq=${lastSeq}`, {
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
