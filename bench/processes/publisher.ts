import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { z } from 'zod';
import { createPostgresPlane } from '../../src/live/postgres-plane.ts';
import { stamp, stampChars } from '../clock.ts';

const { BENCH_STREAMS, BENCH_TOKENS, BENCH_EVERY_MS, DATABASE_URL } = z
  .object({
    BENCH_STREAMS: z.coerce.number().int().min(1),
    BENCH_TOKENS: z.coerce.number().int().min(1),
    BENCH_EVERY_MS: z.coerce.number().min(1),
    DATABASE_URL: z.string(),
  })
  .parse(process.env);
const startSpreadMs = 1_000;

/** Publishes streams of stamps on the live plane, as a worker's activities do, and ends. */
const live = createPostgresPlane({
  connectionString: DATABASE_URL,
  applicationName: 'bench-publisher',
  logger: pino({ level: 'warn' }),
});

async function stream(): Promise<void> {
  const ids = { sessionId: randomUUID(), messageId: randomUUID(), attempt: 1, channel: 'text' as const };
  await new Promise((resolve) => setTimeout(resolve, Math.random() * startSpreadMs));
  await new Promise<void>((resolve) => {
    let said = 0;
    const timer = setInterval(() => {
      live.publish({ kind: 'delta', ...ids, offset: said * stampChars, delta: stamp() });
      said += 1;
      if (said < BENCH_TOKENS) return;
      clearInterval(timer);
      resolve();
    }, BENCH_EVERY_MS);
  });
}

await Promise.all(Array.from({ length: BENCH_STREAMS }, stream));
await live.close();
process.exit(0);
