import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { z } from 'zod';
import { createPostgresPlane } from '../../src/live/postgres-plane.ts';
import { stamp, stampChars } from '../clock.ts';
import type { OpenStream } from '../open-streams.ts';

const { BENCH_STREAMS_FILE, BENCH_TOKENS, BENCH_EVERY_MS, DATABASE_URL } = z
  .object({
    /** JSON: the streams, which have said nothing yet. */
    BENCH_STREAMS_FILE: z.string(),
    BENCH_TOKENS: z.coerce.number().int().min(1),
    BENCH_EVERY_MS: z.coerce.number().min(1),
    DATABASE_URL: z.string(),
  })
  .parse(process.env);

/** Publishes stamps as the text of open streams, as a worker's activities do, and ends. */
const live = createPostgresPlane({
  connectionString: DATABASE_URL,
  applicationName: 'bench-stream-publisher',
  logger: pino({ level: 'warn' }),
});
const streams = JSON.parse(readFileSync(BENCH_STREAMS_FILE, 'utf8')) as OpenStream[];

async function speak({ sessionId, messageId, attempt }: OpenStream): Promise<void> {
  const about = { kind: 'delta', sessionId, messageId, attempt, channel: 'text' } as const;
  await new Promise((resolve) => setTimeout(resolve, Math.random() * BENCH_EVERY_MS));
  await new Promise<void>((resolve) => {
    let said = 0;
    const timer = setInterval(() => {
      live.publish({ ...about, offset: said * stampChars, delta: stamp() });
      said += 1;
      if (said < BENCH_TOKENS) return;
      clearInterval(timer);
      resolve();
    }, BENCH_EVERY_MS);
  });
}

await Promise.all(streams.map(speak));
await live.close();
process.exit(0);
