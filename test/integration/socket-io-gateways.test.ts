import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { type Balancer, openBalancer } from '../helpers/balancer.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { HandPoller } from '../helpers/polling.ts';
import { expectOnce, SocketIoClients } from '../helpers/socket-io-clients.ts';
import { until } from '../helpers/until.ts';

let east: GatewayHarness;
let west: GatewayHarness;
const clients = new SocketIoClients();

beforeAll(async () => {
  east = await openGatewayHarness();
  west = await openGatewayHarness({ beside: east });
});
afterEach(() => clients.close());
afterAll(async () => {
  await west.close();
  await east.close();
});

test('a gateway that restarts says so, and its clients go on at the next one [sio-restart]', async () => {
  const old = await openGatewayHarness({ beside: east });
  let { port } = old.gateway;
  const balancer = await openBalancer(() => port);
  const all = await Promise.all(
    (['websocket', 'polling', 'upgraded'] as const).map((way) => clients.watch(east, { way }, balancer)),
  );
  for (const { client, step } of all) {
    step.say('before, ');
    await until(() => client.textOf(step.messageId) === 'before, ');
  }
  await old.close();
  for (const { client } of all) {
    const goodbye = await client.event('error', ({ code }) => code === 'unavailable');
    expect(goodbye).toMatchObject({
      type: 'processing_error',
      details: { retry_after_ms: expect.any(Number) },
    });
    await until(() => client.disconnects.length === 1);
    // Of the two kinds after which the client comes back by itself.
    expect(client.disconnects[0]).toMatch(/^transport (close|error)$/);
  }
  for (const { step } of all) {
    step.say('meanwhile');
    await step.draft();
    await step.close();
  }
  const fresh = await openGatewayHarness({ beside: east });
  port = fresh.gateway.port;
  for (const { client, step } of all) {
    await client.event('conversation_complete', () => true, 20_000);
    expect(client.textOf(step.messageId)).toBe('before, meanwhile');
    expectOnce(client);
    client.close();
  }
  await balancer.close();
  await fresh.close();
}, 60_000);

test('a gateway that is about to go takes nobody in, and those that are there may finish', async () => {
  const leaving = await openGatewayHarness({ beside: east });
  const client = await clients.connect(leaving, 'alice', { reconnection: false });
  const left = leaving.gateway.close({ noticeMs: 700 });
  const handshake = await fetch(`${leaving.http}/socket.io/?EIO=4&transport=polling`);
  expect(handshake.status).toBe(503);
  expect(handshake.headers.get('retry-after')).not.toBeNull();
  const [code] = await once(new WebSocket(`${leaving.ws}/socket.io/?EIO=4&transport=websocket`), 'close');
  expect(code).toBe(1012);
  expect(await client.ask('user_message', { content: 'quick, one more' })).toHaveProperty('turn_id');
  await left;
  await until(() => client.disconnects.length === 1);
  await leaving.close();
});

describe('two gateways', () => {
  let balancer: Balancer;
  /** Each TCP connection goes to the other gateway than the one before: no stickiness at all. */
  beforeAll(async () => {
    balancer = await openBalancer((nth) => (nth % 2 === 0 ? east : west).gateway.port);
  });
  afterAll(() => balancer.close());

  test('a poll that lands on the other gateway gets a clear error', async () => {
    const poller = new HandPoller(east.http);
    await poller.connect({ token: await signToken() });
    const strayed = await poller.poll(west.http);
    expect(strayed.status).toBe(400);
    expect(JSON.parse(strayed.text)).toEqual({ code: 1, message: 'Session ID unknown' });
    // So does a change to WebSocket.
    const upgrade = new WebSocket(`${west.ws}/socket.io/?EIO=4&transport=websocket&sid=${poller.sid}`);
    const [code, reason] = await once(upgrade, 'close');
    expect([code, String(reason)]).toEqual([1008, expect.stringContaining('Session ID unknown')]);
    // The connection itself is not harmed.
    let told: [string, Record<string, unknown>] | undefined;
    while (!told) [told] = (await poller.poll()).events;
    expect(told).toMatchObject(['connection_established', { authenticated: true }]);
  });

  test('over WebSocket alone any gateway will do, at each reconnect', async () => {
    const { client, step } = await clients.watch(east, { way: 'websocket' }, balancer);
    const before = balancer.taken;
    for (let n = 0; n < 4; n += 1) {
      step.say(`round ${n} `);
      await step.draft();
      await until(() => client.textOf(step.messageId) === step.text);
      client.socket.io.engine.close();
      await until(() => client.disconnects.length === n + 1);
      client.socket.connect();
    }
    await step.close();
    await client.event('conversation_complete');
    expect(balancer.taken).toBe(before + 4);
    expect(client.textOf(step.messageId)).toBe(step.text);
    expectOnce(client);
  });

  test('two clients on two gateways see each other', async () => {
    const { sessionId, client } = await clients.watch(east);
    const other = clients.dial(west, { auth: { token: await signToken(), sessions: { [sessionId]: null } } });
    await other.event('session_joined');
    await other.ask('user_message', { content: 'from the west', session_id: sessionId, id: 'w' });
    await client.event('message_saved', ({ content }) => content === 'from the west');
  });
});
