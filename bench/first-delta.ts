import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { nowMs } from './clock.ts';
import { type Findings, row } from './rows.ts';
import { BenchSession } from './session.ts';
import { round, spread } from './stats.ts';
import { referenceQueue, type System } from './system.ts';

const aimRatio = 1.3;
/** Between samples; back-to-back starts show steps of about 40 ms that spaced ones do not. */
const gapMs = 150;
const jitterMs = 100;
const sessions = 10;
const task = { tokens: 20, everyMs: 0, firstMs: 0 };

/**
 * (a) From a message sent to its first delta received, less the model's own time, beside a bare workflow from its
 * start to the beginning of its one activity. A pair after the other, each in turn first.
 */
export async function measureFirstDelta(
  system: System,
  { pairs, warmups }: { pairs: number; warmups: number },
): Promise<Findings> {
  const open = await Promise.all(Array.from({ length: sessions }, () => BenchSession.open(system.dev)));
  const ours: number[] = [];
  const acks: number[] = [];
  const model: number[] = [];
  const bare: number[] = [];
  const askOne = async (index: number) => {
    const session = open[index % open.length];
    if (!session) throw new Error('There is no session to measure with.');
    await gap();
    const turn = await session.ask(task);
    ours.push(turn.firstDeltaMs - turn.sentMs - turn.modelMs);
    acks.push(turn.ackedMs - turn.sentMs);
    model.push(turn.modelMs);
  };
  const startOne = async () => {
    await gap();
    bare.push(await bareStartMs(system));
  };
  try {
    for (let index = -warmups; index < pairs; index += 1) {
      if (index === 0) for (const samples of [ours, acks, model, bare]) samples.length = 0;
      if (index % 2 === 0) await askOne(index + warmups);
      await startOne();
      if (index % 2 !== 0) await askOne(index + warmups);
    }
  } finally {
    for (const session of open) session.close();
  }
  const [of, reference] = [spread(ours), spread(bare)];
  return {
    rows: [
      row(
        'a',
        'message → first delta, by a bare workflow start → activity',
        round(of.p50 / reference.p50),
        '×',
        aimRatio,
      ),
      row('a.first_delta', 'message → first delta, less the model, p50', of.p50, 'ms'),
      row('a.bare', 'bare workflow: start → activity begins, p50', reference.p50, 'ms'),
      row('a.ack', 'message → ack, p50', spread(acks).p50, 'ms'),
    ],
    details: { first_delta: of, bare: reference, ack: spread(acks), model: spread(model) },
  };
}

async function bareStartMs(system: System): Promise<number> {
  const startedMs = nowMs();
  const handle = await system.temporal.workflow.start('bareWorkflow', {
    taskQueue: referenceQueue,
    workflowId: randomUUID(),
    workflowExecutionTimeout: '10 s',
  });
  const beganMs: number = await handle.result();
  return beganMs - startedMs;
}

function gap(): Promise<void> {
  return delay(gapMs + Math.random() * jitterMs);
}
