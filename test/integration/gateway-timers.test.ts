import { afterEach, describe, expect, test } from '@jest/globals';
import { hubTimings } from '../../src/gateway/hub-ports.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

const open: GatewayHarness[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((harness) => harness.close()));
});
async function harnessWith(timings: NonNullable<Parameters<typeof openGatewayHarness>[0]>['timings']) {
  const harness = await openGatewayHarness(timings === undefined ? {} : { timings });
  open.push(harness);
  return harness;
}

describe('time', () => {
  test('a client that says nothing is pinged, then closed with 4008; one that answers stays [close-4008] [live-ping]', async () => {
    const harness = await harnessWith({ idleMs: 1_000, pingMs: 100, sweepMs: 20 });
    const sessionId = await harness.session();
    const [silent, polite] = [await harness.connect(sessionId), await harness.connect(sessionId)];
    const quiet = await harness.connect(sessionId);
    // What some libraries send by themselves counts as much as a frame.
    quiet.socket.on('message', () => quiet.socket.ping());
    polite.socket.on('message', (data: Buffer) => {
      if (data.toString('utf8') === '{"type":"ping"}') polite.send({ type: 'pong' });
    });
    expect(await silent.end()).toEqual({ code: 4008, reason: 'No frame for 45 s' });
    expect(silent.of('ping').length).toBeGreaterThanOrEqual(2);
    await until(() => polite.of('ping').length >= 8);
    expect(polite.closed).toBeNull();
    await until(() => quiet.of('ping').length >= 8);
    expect(quiet.closed).toBeNull();
  });

  test('a worker that falls silent shows as stalled, once, until it is heard again', async () => {
    const harness = await harnessWith({ hub: { ...hubTimings, stalledMs: 300 } });
    const sessionId = await harness.session();
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    const client = await harness.connect(sessionId);
    await step.ask('go');
    await step.open();
    step.say('a');
    await client.frame('agent_status', ({ status }) => status === 'stalled');
    const joining = await harness.connect(sessionId);
    expect(await joining.frame('agent_status')).toMatchObject({ status: 'stalled', turn_id: step.turnId });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(client.of('agent_status').filter(({ status }) => status === 'stalled').length).toBe(1);
    await step.open();
    await client.frame('agent_status', ({ status }) => status === 'retrying');
    const states = client.of('agent_status').map(({ status }) => status);
    expect(states[states.indexOf('stalled') + 1]).toBe('retrying');
    step.say('b');
    await step.close();
    await client.frame('agent_status', ({ status, turn_id }) => status === 'idle' && turn_id === undefined);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(client.of('agent_status').at(-1)?.status).toBe('idle');
  });
});

describe('drain', () => {
  test('sends everybody away with 1012 and a delay, answers what was asked, and is quick [close-1012]', async () => {
    const harness = await harnessWith(undefined);
    const sessionId = await harness.session();
    const clients = await Promise.all([1, 2, 3].map(() => harness.connect(sessionId)));
    clients[0]?.send({ type: 'message', id: 'last', content: 'one more' });
    await clients[0]?.frame('ack');
    clients[0]?.send({ type: 'message', id: 'later', content: 'and another' });
    const startedAt = performance.now();
    await harness.gateway.close();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    for (const client of clients) {
      const { code, reason } = await client.end();
      expect(code).toBe(1012);
      expect(reason).toMatch(/^Server restarting; retry_after_ms=\d+$/);
    }
    await expect(fetch(`${harness.http}/healthz`)).rejects.toThrow();
    const late = await harness.dial(sessionId, { token: await signToken() });
    expect((await late.end()).code).not.toBe(1000);
  });
});
