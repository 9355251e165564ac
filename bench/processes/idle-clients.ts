import { once } from 'node:events';
import WebSocket from 'ws';
import { z } from 'zod';
import { announceReady } from '../../src/cli/ready.ts';
import { untilSignalled } from '../../src/cli/until-signalled.ts';
import { numberedSessionId } from '../numbered-sessions.ts';

const { BENCH_TARGET, BENCH_TOKEN, BENCH_COUNT } = z
  .object({
    /** Address with `{session}` where the id goes. */
    BENCH_TARGET: z.string(),
    BENCH_TOKEN: z.string(),
    BENCH_COUNT: z.coerce.number().int().min(1),
  })
  .parse(process.env);

const openingAtOnce = 64;
const openBoundMs = 20_000;
const toldEvery = 1_000;

/** Opens many connections, answers their pings, and says at the end whether all were held. */
let opened = 0;
let lost = 0;
let isEnding = false;

async function open(index: number): Promise<void> {
  const url = BENCH_TARGET.replace('{session}', numberedSessionId(index));
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${BENCH_TOKEN}` },
    perMessageDeflate: false,
    handshakeTimeout: openBoundMs,
  });
  socket.on('error', (error) => console.error(`connection ${index}: ${error.message}`));
  socket.on('close', (code, reason) => {
    if (isEnding) return;
    lost += 1;
    if (lost <= 10) console.error(`connection ${index} was closed: ${code} ${String(reason)}`);
  });
  socket.on('message', (data) => {
    if (String(data) === '{"type":"ping"}') socket.send('{"type":"pong"}');
  });
  await Promise.race([once(socket, 'message'), once(socket, 'close')]);
  opened += 1;
  if (opened % toldEvery === 0) console.log(`${opened} opened`);
}

const began = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: openingAtOnce }, async () => {
    while (next < BENCH_COUNT) await open(next++);
  }),
);
announceReady({ open_ms: Math.round(performance.now() - began), lost });
await untilSignalled();
isEnding = true;
process.exit(lost === 0 ? 0 : 1);
