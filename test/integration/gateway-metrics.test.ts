import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;
beforeAll(async () => {
  harness = await openGatewayHarness();
});
afterAll(() => harness.close());

/** A scrape: each series with its value. */
async function scrape(http = harness.http): Promise<Map<string, number>> {
  const answer = await fetch(`${http}/metrics`);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

test('what goes on is counted: connections, frames, closes, answers, pool [http-metrics]', async () => {
  const sessionId = await harness.session();
  const client = await harness.connect(sessionId);
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  client.send({ type: 'message', id: 'm1', content: 'hello' });
  await client.frame('ack');
  await step.open();
  for (const word of ['one ', 'two ', 'three']) step.say(word);
  await until(() => client.textOf(step.messageId) === step.text);
  const stranger = await harness.dial(sessionId, { token: await signToken({ sub: 'mallory' }) });
  await stranger.end();
  await fetch(`${harness.http}/v1/sessions/${sessionId}`);
  await fetch(`${harness.http}/nothing/here/${sessionId}`);
  const seen = await scrape();
  const deltas = client.of('stream_delta').length;
  expect(Object.fromEntries(seen)).toMatchObject({
    'turngate_connections{transport="websocket"}': 1,
    'turngate_connections{transport="sse"}': 0,
    'turngate_connections{transport="socket_io"}': 0,
    turngate_hubs: 1,
    'turngate_frames_received_total{transport="websocket"}': 1,
    'turngate_frames_sent_total{transport="websocket",type="stream_delta"}': deltas,
    'turngate_frames_sent_total{transport="websocket",type="welcome"}': 1,
    'turngate_closed_total{transport="websocket",code="4003"}': 1,
    'turngate_slow_readers_total{transport="websocket"}': 0,
    'turngate_http_answers_total{method="get",route="/v1/sessions/:id",status="401"}': 1,
    'turngate_http_answers_total{method="other",route="other",status="404"}': 1,
    turngate_live_dropped_total: 0,
    'turngate_webhook_deliveries{status="dead"}': 0,
    turngate_webhook_oldest_pending_seconds: 0,
    'turngate_store_connections{state="waiting"}': 0,
  });
  expect(deltas).toBeGreaterThan(0);
  expect(seen.get('nodejs_eventloop_lag_seconds')).toBeDefined();
  client.terminate();
  await until(
    async () => (await scrape()).get('turngate_closed_total{transport="websocket",code="1006"}') === 1,
  );
  expect((await scrape()).get('turngate_connections{transport="websocket"}')).toBe(0);
});

test('no id, name or content is in it, and series do not grow with what clients send', async () => {
  const before = (await scrape()).size;
  for (let n = 0; n < 20; n += 1) {
    const sessionId = await harness.session();
    const client = await harness.connect(sessionId);
    client.send({ type: `made up ${n}` });
    await client.frame('error');
    client.socket.close(4_500 + n);
    await client.end();
    await fetch(`${harness.http}/v1/sessions/${sessionId}?made=${n}`, { method: n % 2 ? 'PUT' : 'GET' });
    await fetch(`${harness.http}/made/up/${n}`);
  }
  const after = await scrape();
  expect(after.size - before).toBeLessThan(15);
  expect([...after.keys()].join('\n')).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}|alice|made/);
});

test('with METRICS_TOKEN nobody else may scrape', async () => {
  const METRICS_TOKEN = 'a-token-for-scrapers';
  const closed = await openGatewayHarness({ config: { METRICS_TOKEN } });
  const ask = (authorization: string) => fetch(`${closed.http}/metrics`, { headers: { authorization } });
  expect((await ask(`Bearer ${await signToken()}`)).status).toBe(401);
  expect((await ask('')).status).toBe(401);
  expect((await ask(`Bearer ${METRICS_TOKEN}`)).status).toBe(200);
  await closed.close();
});
