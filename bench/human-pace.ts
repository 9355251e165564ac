import { setTimeout as delay } from 'node:timers/promises';
import { type Findings, row } from './rows.ts';
import { BenchSession } from './session.ts';
import { quantile, round, spread } from './stats.ts';
import type { System } from './system.ts';

const people = 10;
/** The model thinks, then says 20 tokens a second. */
const pace = { everyMs: 50, firstMs: 400 };
const aims = { firstDeltaMs: 2_000, chunkMs: 100 };

/**
 * (d) Ten people who talk at a human pace, at the same time. The first delta includes the model's own time; a chunk's
 * delay is from its write by the model to its arrival, every chunk of every turn.
 */
export async function measureHumanPace(
  system: System,
  { turnsEach, tokens, thinkMs }: { turnsEach: number; tokens: number; thinkMs: number },
): Promise<Findings> {
  const sessions = await Promise.all(Array.from({ length: people }, () => BenchSession.open(system.dev)));
  const firstDeltas: number[] = [];
  const chunks: number[] = [];
  const talk = async (session: BenchSession) => {
    for (let turn = 0; turn < turnsEach; turn += 1) {
      await delay(Math.random() * thinkMs);
      const { firstDeltaMs, sentMs, log } = await session.ask({ ...pace, tokens });
      firstDeltas.push(firstDeltaMs - sentMs);
      chunks.push(...log.passages.map(({ receivedMs, writtenMs }) => receivedMs - writtenMs));
    }
  };
  try {
    await Promise.all(sessions.map(talk));
  } finally {
    for (const session of sessions) session.close();
  }
  const worst = (samples: number[]) => round(quantile(samples, 1));
  return {
    rows: [
      row(
        'd.first_delta',
        '10 people: message → first delta, the slowest',
        worst(firstDeltas),
        'ms',
        aims.firstDeltaMs,
      ),
      row('d.chunk', '10 people: a chunk written → received, the slowest', worst(chunks), 'ms', aims.chunkMs),
    ],
    details: { first_delta: spread(firstDeltas), chunk: spread(chunks) },
  };
}
