import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fullBytes } from '../../src/gateway/websocket-outlet.ts';
import { publishEvents } from '../../src/live/publish-events.ts';
import { endRunningTurn } from '../../src/store/turns.ts';
import { type GatewayHarness, openGatewayHarness, signToken, testSecret } from '../helpers/gateway.ts';
import { type GatewayProcess, spawnGateway } from '../helpers/gateway-process.ts';
import { SessionClient } from '../helpers/session-client.ts';
import { SseClient } from '../helpers/sse-client.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

const readersOfEach = 10;
const turns = 100;
const piecesOfTurn = 200;
const piece = 'x'.repeat(5_000);
const megabyte = 1024 * 1024;

let harness: GatewayHarness;
let gateway: GatewayProcess;

beforeAll(async () => {
  // Its store and its workers' plane; the gateway that is measured is a process of its own.
  harness = await openGatewayHarness();
  gateway = await spawnGateway(harness.databaseUrl, testSecret);
  await until(async () => (await fetch(`${gateway.http}/readyz`)).status === 200);
}, 60_000);
afterAll(async () => {
  await gateway.end('SIGKILL');
  await harness.close();
});

/** Bytes of memory that the process has now. */
function memory(): number {
  const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** Says a megabyte in a turn of its own. Answers the most memory that the gateway had meanwhile. */
async function sayMegabyte(step: StreamingStep, quick: SessionClient): Promise<number> {
  let most = 0;
  await step.ask('a megabyte, please');
  await step.open();
  for (let n = 0; n < piecesOfTurn; n += 1) {
    step.say(piece);
    if (n % 40 !== 39) continue;
    await until(() => quick.textOf(step.messageId).length === step.text.length, 30_000);
    most = Math.max(most, memory());
  }
  return most;
}

/** The turn fails, and what it said is void: so nobody has to read a megabyte of it later. */
async function fail({ sessionId, runId }: StreamingStep): Promise<void> {
  const error = { code: 'model_error' as const, message: 'The model broke off.' };
  const { events } = await endRunningTurn(harness.db, { sessionId, runId, status: 'failed', error });
  publishEvents(harness.worker, sessionId, events);
}

test('100 MB that nobody reads cost a gateway less than 4 MiB a reader, whatever carries them; who reads again has the exact text [text-slow] [sse-slow]', async () => {
  const sessionId = await harness.session();
  const newStep = () => new StreamingStep(harness.db, harness.worker, sessionId);
  const waste = async () => {
    const step = newStep();
    const had = await sayMegabyte(step, quick);
    await fail(step);
    return had;
  };
  const token = await signToken();
  const path = `/v1/sessions/${sessionId}`;
  const dial = () => new SessionClient(`${gateway.ws}${path}/ws`, { token });
  const quick = dial();
  await quick.frame('welcome');
  let before = 0;
  // The same with nobody who is slow, so that what is left is what the slow ones cost.
  for (let n = 0; n < 30; n += 1) before = Math.max(before, await waste());

  const sockets = Array.from({ length: readersOfEach }, dial);
  const streams = Array.from(
    { length: readersOfEach },
    () => new SseClient(`${gateway.http}${path}/events`, { token }),
  );
  for (const reader of [...sockets, ...streams]) {
    await reader.frame('agent_status');
    if (reader instanceof SseClient) reader.pause();
    else reader.socket.pause();
  }
  let most = 0;
  for (let n = 0; n < turns; n += 1) most = Math.max(most, await waste());
  const step = newStep();
  most = Math.max(most, await sayMegabyte(step, quick));
  const perReader = (most - before) / (2 * readersOfEach);
  console.info(
    `a slow reader costs ${(perReader / megabyte).toFixed(2)} MiB; the gateway had ${before} bytes before`,
  );
  expect(perReader).toBeLessThan(4 * megabyte);

  for (const reader of sockets) reader.socket.resume();
  for (const stream of streams) stream.resume();
  await step.draft();
  for (const reader of sockets) {
    await until(() => reader.textOf(step.messageId) === step.text, 60_000);
    const deltas = reader.of('stream_delta').reduce((sum, { delta }) => sum + delta.length, 0);
    expect(deltas).toBeLessThan(turns * megabyte - fullBytes);
    expect(reader.of('stream_snapshot').length).toBeGreaterThan(0);
  }
  // A reader of a stream that took nothing for ten seconds was cut off, and comes back where it was.
  const back = streams.map((stream) => {
    if (!stream.isEnded) return stream;
    const headers = { 'last-event-id': stream.lastId ?? '' };
    return new SseClient(`${gateway.http}${path}/events`, { token, headers, lastSeq: stream.lastSeq });
  });
  for (const stream of back) await until(() => stream.textOf(step.messageId) === step.text, 60_000);
  await step.close();
  for (const reader of [...sockets, ...back]) {
    await reader.frame('turn_end');
    expect(reader.textOf(step.messageId)).toBe(step.text);
    expect(reader.view.breaches).toEqual([]);
  }
  for (const stream of [...streams, ...back]) stream.close();
  for (const socket of [...sockets, quick]) socket.terminate();
}, 300_000);
