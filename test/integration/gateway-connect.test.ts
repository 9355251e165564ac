import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { limits } from '../../src/protocol/limits.ts';
import { type GatewayHarness, openGatewayHarness } from '../helpers/gateway.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness({ config: { FRAMES_PER_SECOND: 1_000 } });
});
afterAll(() => harness.close());

/** Sends as soon as the socket is open, without waiting for `welcome`. */
async function hasty(frames: string[], sessionId?: string): Promise<SessionClient> {
  const client = await harness.dial(sessionId ?? (await harness.session()));
  client.socket.once('open', () => {
    for (const frame of frames) client.socket.send(frame);
  });
  return client;
}
const message = (id: string) => JSON.stringify({ type: 'message', id, content: id });

test('every connection holds, and what it sends at once is acked after welcome, in order', async () => {
  const sessionId = await harness.session();
  for (let n = 0; n < 60; n += 1) {
    const client = await hasty([message(`a${n % 20}`), message(`b${n % 20}`)], sessionId);
    await until(() => client.of('ack').length === 2 || client.closed !== null);
    expect(client.closed).toBeNull();
    expect(client.of('ack').map(({ id }) => id)).toEqual([`a${n % 20}`, `b${n % 20}`]);
    expect(client.frames[0]?.type).toBe('welcome');
    client.terminate();
  }
});

test('what is sent too early is bounded, and judged as it would be later', async () => {
  const ping = '{"type":"ping"}';
  const talkative = await hasty(Array.from({ length: 500 }, () => ping));
  // How much of it is early depends on how quickly the client is let in: it is answered whole, or sent away.
  await until(() => talkative.closed !== null || talkative.of('pong').length === 500);
  expect([1008, undefined]).toContain(talkative.closed?.code);
  const large = await hasty([ping, 'x'.repeat(limits.frameBytes + 1), message('never')]);
  expect((await large.end()).code).toBe(4013);
  expect(large.of('pong').length).toBe(1);
  expect(large.of('ack')).toEqual([]);
  const broken = await hasty(['{', message('fine')]);
  expect(await broken.frame('error')).toMatchObject({ code: 'validation_error' });
  await broken.frame('ack', ({ id }) => id === 'fine');
});

test('who may not come in gets no answer to what it sent', async () => {
  const stranger = await hasty([message('x')], '0193b0aa-0000-7000-8000-000000000000');
  expect((await stranger.end()).code).toBe(4004);
  expect(stranger.frames).toEqual([]);
});

test('who goes before being let in leaves nothing behind', async () => {
  const sessionId = await harness.session();
  for (let n = 0; n < 20; n += 1) {
    const client = await harness.dial(sessionId);
    await until(() => client.socket.readyState === client.socket.OPEN);
    client.terminate();
  }
  const client = await harness.connect(sessionId);
  client.send({ type: 'message', id: 'm', content: 'hello' });
  await client.frame('message_saved');
  expect(client.breaches).toEqual([]);
});
