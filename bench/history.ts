import { sessionWorkflowId } from '../src/protocol/turn-workflow.ts';
import { type Findings, row } from './rows.ts';
import { BenchSession } from './session.ts';
import type { System } from './system.ts';

const aimEvents = 12;
const everyMs = 1;

/** (c) Events in the Temporal history of a plain turn: they must not grow with what the model says. */
export async function measureHistory(system: System): Promise<Findings> {
  const [short, long] = await Promise.all([eventsOf(system, 200), eventsOf(system, 2_000)]);
  const rows = [
    row('c.200', 'history events of a turn of 200 tokens', short, 'events', aimEvents),
    row(
      'c.2000',
      'history events of a turn of 2,000 tokens (the same)',
      long,
      'events',
      Math.min(aimEvents, short),
    ),
  ];
  return { rows, details: { events_of_200: short, events_of_2000: long } };
}

async function eventsOf(system: System, tokens: number): Promise<number> {
  const session = await BenchSession.open(system.dev);
  try {
    await session.ask({ tokens, everyMs, firstMs: 0 });
    const handle = system.temporal.workflow.getHandle(sessionWorkflowId(session.id));
    await handle.result();
    const { events } = await handle.fetchHistory();
    return events?.length ?? 0;
  } finally {
    session.close();
  }
}
