import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';
import { openWire, type Wire } from '../helpers/wire.ts';

let harness: GatewayHarness;
let wire: Wire;

beforeAll(async () => {
  harness = await openGatewayHarness({
    timings: { pollMs: 200 },
    wayTo: async (url) => {
      wire = await openWire(url);
      return wire.url;
    },
  });
});
afterAll(async () => {
  await harness.close();
  await wire.close();
});

const ready = async () => (await fetch(`${harness.http}/readyz`)).status;

test('a gateway without its store says so, lives on, and delivers all that it missed [error-unavailable]', async () => {
  const sessionId = await harness.session();
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  const client = await harness.connect(sessionId);
  client.send({ type: 'message', id: 'm1', content: 'hello' });
  await client.frame('ack');
  await step.open();
  step.say('before ');
  await until(() => client.textOf(step.messageId) === step.text);

  wire.cut();
  client.send({ type: 'message', id: 'm2', content: 'are you there?' });
  expect(await client.frame('error')).toMatchObject({ id: 'm2', code: 'unavailable' });
  const path = `${harness.http}/v1/sessions/${sessionId}`;
  const headers = { authorization: `Bearer ${await signToken()}` };
  const answer = await fetch(`${path}/messages`, { headers });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([503, 'application/problem+json']);
  expect(await answer.json()).toMatchObject({ code: 'unavailable', status: 503 });
  expect(await ready()).toBe(503);
  expect((await fetch(`${harness.http}/healthz`)).status).toBe(200);
  const { code, reason } = await (await harness.dial(sessionId)).end();
  expect([code, reason]).toEqual([1012, expect.stringMatching(/retry_after_ms=\d+/)]);
  // The worker goes on; nothing of it reaches this gateway, and half of the text never will by the live plane.
  step.say('meanwhile ');
  await step.draft();
  await step.close();
  await step.ask('next');

  wire.mend();
  await client.frame('turn_end');
  await client.frame('message_saved', ({ content }) => content === 'next');
  await until(async () => (await ready()) === 200);
  // Connections that were cut may still be in the pool: their statements fail, and the error says to send it again.
  await until(async () => {
    const answered = client.frames.length;
    client.send({ type: 'message', id: 'm2', content: 'are you there?' });
    await until(() => client.frames.slice(answered).some((frame) => 'id' in frame && frame.id === 'm2'));
    return client.of('ack').some(({ id }) => id === 'm2');
  });
  await client.frame('message_saved', ({ client_message_id }) => client_message_id === 'm2');
  expect(client.textOf(step.messageId)).toBe('before meanwhile ');
  expect(client.of('message_saved').length).toBe(3);
  expect(client.closed).toBeNull();
  expect(client.breaches).toEqual([]);
});

test('a client that connects, catches up or resumes around an outage misses nothing', async () => {
  const sessionId = await harness.session();
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  const client = await harness.connect(sessionId);
  await step.ask('go');
  await step.open();
  step.say('one ');
  await until(() => client.textOf(step.messageId) === step.text);
  wire.cut();
  client.resume(0);
  step.say('two ');
  await step.draft();
  await step.open();
  step.say('anew');
  await step.draft();
  wire.mend();
  await until(() => client.textOf(step.messageId) === 'anew');
  await step.close();
  await client.frame('turn_end');
  expect(client.textOf(step.messageId)).toBe('anew');
  expect(client.breaches).toEqual([]);
});
