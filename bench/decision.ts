import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { toolTaskQueue } from '../src/protocol/turn-workflow.ts';
import { nowMs } from './clock.ts';
import { type Approval, GateSession } from './gate-session.ts';
import { type Findings, row } from './rows.ts';
import { round, spread } from './stats.ts';
import { referenceQueue, type System } from './system.ts';

const aimRatio = 1.5;
/** Before each sample, as in (a): what follows another at once shows the steps of timers. */
const gapMs = 150;
const jitterMs = 100;
const sessions = 5;

/**
 * (i) From an approval sent to the tool's server having the request, beside a bare workflow from a signal sent to the
 * beginning of its activity: on a task queue of its own as our tools are, and on that of the workflow. A sample of each in
 * turn, each first as often as the others.
 */
export async function measureDecision(
  system: System,
  { rounds, warmups }: { rounds: number; warmups: number },
): Promise<Findings> {
  const open = await Promise.all(Array.from({ length: sessions }, () => GateSession.open(system.dev)));
  const ours: Approval[] = [];
  const bare: number[] = [];
  const eager: number[] = [];
  try {
    for (let index = -warmups; index < rounds; index += 1) {
      if (index === 0) for (const samples of [ours, bare, eager]) samples.length = 0;
      const session = open[(index + warmups) % open.length];
      if (!session) throw new Error('There is no session to measure with.');
      const samples = [
        async () => void ours.push(await approveOne(session)),
        async () => void bare.push(await bareMs(system, toolTaskQueue(referenceQueue))),
        async () => void eager.push(await bareMs(system, referenceQueue)),
      ];
      const first = (index + warmups) % samples.length;
      for (const take of [...samples.slice(first), ...samples.slice(0, first)]) await take();
    }
  } finally {
    for (const session of open) session.close();
  }
  const of = (end: (approval: Approval) => number) =>
    spread(ours.map((approval) => end(approval) - approval.sentMs));
  const [begun, told, acked] = [
    of(({ begunMs }) => begunMs),
    of(({ toldMs }) => toldMs),
    of(({ ackedMs }) => ackedMs),
  ];
  const [reference, sameQueue] = [spread(bare), spread(eager)];
  return {
    rows: [
      row(
        'i',
        'approval → tool has it, by a bare signal → activity',
        round(begun.p50 / reference.p50),
        '×',
        aimRatio,
      ),
      row('i.begun', 'approval → the tool has the request, p50', begun.p50, 'ms'),
      row('i.begun.p90', 'approval → the tool has the request, p90', begun.p90, 'ms'),
      row('i.told', 'approval → tool_started at the client, p50', told.p50, 'ms'),
      row('i.ack', 'approval → ack, p50', acked.p50, 'ms'),
      row('i.bare', 'bare: signal → activity on its own queue, p50', reference.p50, 'ms'),
      row('i.bare.p90', 'bare: signal → activity on its own queue, p90', reference.p90, 'ms'),
      row('i.bare_same', "bare: signal → activity on the workflow's queue, p50", sameQueue.p50, 'ms'),
    ],
    details: { begun, told, ack: acked, bare: reference, bare_same: sameQueue },
  };
}

async function approveOne(session: GateSession): Promise<Approval> {
  const toolCallId = await session.request();
  await gap();
  return session.approve(toolCallId);
}

async function bareMs(system: System, activityQueue: string): Promise<number> {
  const handle = await system.temporal.workflow.start('bareGate', {
    taskQueue: referenceQueue,
    workflowId: randomUUID(),
    args: [activityQueue],
    workflowExecutionTimeout: '10 s',
  });
  await gap();
  const sentMs = nowMs();
  await handle.signal('go');
  const begunMs: number = await handle.result();
  return begunMs - sentMs;
}

function gap(): Promise<void> {
  return delay(gapMs + Math.random() * jitterMs);
}
