import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fullBytes } from '../../src/gateway/websocket-outlet.ts';
import { type GatewayHarness, openGatewayHarness } from '../helpers/gateway.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness({
    timings: { pollMs: 300, goodbyeMs: 60_000 },
    config: { FRAMES_PER_SECOND: 1_000_000 },
  });
});
afterAll(() => harness.close());

describe('a slow client', () => {
  test('gets no deltas while it does not read, then a snapshot, and ends with the exact text [text-slow]', async () => {
    const sessionId = await harness.session();
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    const [slow, quick] = [await harness.connect(sessionId), await harness.connect(sessionId)];
    await step.ask('a lot, please');
    await step.open();
    step.say('begin ');
    await until(() => slow.textOf(step.messageId) === step.text);
    slow.socket.pause();
    // Far more than kernel and gateway hold for one socket.
    for (let n = 0; n < 1_600; n += 1) {
      step.say(`${n} ${'x'.repeat(5_000)} `);
      if (n % 10 === 0) await until(() => quick.textOf(step.messageId) === step.text);
    }
    await until(() => quick.textOf(step.messageId) === step.text);
    slow.socket.resume();
    await until(() => slow.textOf(step.messageId) === step.text);
    step.say('end');
    await until(() => slow.textOf(step.messageId) === step.text);
    const deltasOf = (client: SessionClient) =>
      client.of('stream_delta').reduce((sum, { delta }) => sum + delta.length, 0);
    expect(deltasOf(slow)).toBeLessThan(step.text.length - 2 * fullBytes);
    expect(slow.of('stream_snapshot').length).toBeGreaterThanOrEqual(1);
    await step.close();
    await slow.frame('turn_end');
    expect(slow.textOf(step.messageId)).toBe(step.text);
    expect(slow.breaches).toEqual([]);
    expect(quick.breaches).toEqual([]);
    // Of a busy machine it may get a snapshot, too; but it is not held back by the other.
    expect(deltasOf(quick)).toBeGreaterThan(deltasOf(slow));
  });

  test('that asks much and reads nothing is closed with 4009 [close-4009]', async () => {
    const client = await harness.connect(await harness.session());
    client.socket.pause();
    // Far more answers than kernel and gateway hold for one socket.
    const ping = JSON.stringify({ type: 'ping', id: 'i'.repeat(64) });
    for (let n = 0; n < 250_000; n += 1) {
      client.socket.send(ping);
      if (n % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => client.socket.bufferedAmount === 0);
    client.socket.resume();
    expect((await client.end()).code).toBe(4009);
  });
});

describe('a client that never reads', () => {
  const goodbyes = [
    { goodbyeMs: 60_000, code: 4009, what: 'hears 4009 if it reads in time' },
    { goodbyeMs: 200, code: 1006, what: 'and does not read either is cut off, and its socket given up' },
  ];
  test.each(goodbyes)('is sent away, $what', async ({ goodbyeMs, code }) => {
    const impatient = await openGatewayHarness({ timings: { stuckMs: 300, goodbyeMs } });
    const sessionId = await impatient.session();
    const step = new StreamingStep(impatient.db, impatient.worker, sessionId);
    const [client, quick] = [await impatient.connect(sessionId), await impatient.connect(sessionId)];
    await step.ask('a lot, please');
    await step.open();
    await client.frame('stream_start');
    client.socket.pause();
    const isRegistered = async () => {
      const { rows } = await impatient.db.query('select 1 from connections where session_id = $1', [
        sessionId,
      ]);
      return rows.length > 0;
    };
    for (let n = 0; n < 1_600; n += 1) {
      step.say('x'.repeat(5_000));
      if (n % 20 === 0) await until(() => quick.textOf(step.messageId) === step.text);
    }
    quick.terminate();
    await until(async () => !(await isRegistered()), 30_000);
    if (code === 1006) await until(() => clogged(impatient.gateway.port) === 0);
    else expect(clogged(impatient.gateway.port)).toBe(1);
    client.socket.resume();
    expect((await client.end()).code).toBe(code);
    await impatient.close();
  });
});

/** Connections of a server on this port that it has not closed, and whose clients do not read. */
function clogged(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return lines.filter((line) => {
    const [, address = '', , state, queues = ''] = line.trim().split(/\s+/);
    const isEstablished = state === '01';
    return address.endsWith(local) && isEstablished && Number.parseInt(queues, 16) > 0;
  }).length;
}
