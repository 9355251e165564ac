import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { fullBytes } from '../../src/gateway/websocket-outlet.ts';
import { type Balancer, openBalancer } from '../helpers/balancer.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { HandPoller } from '../helpers/polling.ts';
import { SocketIoTestClient, type Way } from '../helpers/socket-io-client.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let east: GatewayHarness;
let west: GatewayHarness;
const clients: SocketIoTestClient[] = [];

beforeAll(async () => {
  east = await openGatewayHarness({ config: { CONNECTIONS_PER_USER: 1_000 } });
  west = await openGatewayHarness({ beside: east });
});
afterEach(() => {
  for (const client of clients.splice(0)) {
    client.close();
    expect(client.breaches).toEqual([]);
  }
});
afterAll(async () => {
  await west.close();
  await east.close();
});

type Options = ConstructorParameters<typeof SocketIoTestClient>[1];

async function dial(at: Pick<GatewayHarness, 'http'>, options: Options = {}): Promise<SocketIoTestClient> {
  const client = new SocketIoTestClient(at.http, { auth: { token: await signToken() }, ...options });
  clients.push(client);
  return client;
}

/** A session of alice with a turn under way, and a client that takes part in it and knows only that. */
async function watched(options: Options = {}, at: Pick<GatewayHarness, 'http'> = east) {
  const sessionId = await east.session();
  const client = await dial(at, options);
  await client.event('connection_established');
  await client.ask('resume', { session_id: sessionId });
  const step = new StreamingStep(east.db, east.worker, sessionId);
  await step.ask('talk');
  await step.open();
  return { sessionId, client, step };
}

/** Every event of the session came once, in its order. */
function expectOnce(client: SocketIoTestClient): void {
  const seqs = client.of('message_saved').map(({ seq }) => seq);
  expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
  expect(client.of('turn_started').length).toBe(1);
  expect(client.of('conversation_complete').length).toBe(1);
}

describe.each<Way>(['websocket', 'polling', 'upgraded'])('over %s', (way) => {
  test('a client that was cut off gets what it missed, without a word of its own [sio-reconnect]', async () => {
    const { client, step } = await watched({ way });
    step.say('heard, ');
    await until(() => client.textOf(step.messageId) === 'heard, ');
    client.socket.io.reconnection(false);
    client.socket.io.engine.close();
    await until(() => client.disconnects.length === 1);
    step.say('not heard, ');
    await step.draft();
    client.socket.connect();
    await until(() => client.textOf(step.messageId) === 'heard, not heard, ');
    // In the middle of a message nobody knows what a delta would be.
    expect(client.of('agent_response_chunk').at(-1)?.delta).toBe('');
    client.socket.io.engine.close();
    await until(() => client.disconnects.length === 2);
    step.say('nor this');
    await step.draft();
    await step.close();
    client.socket.connect();
    await client.event('conversation_complete');
    expect(client.textOf(step.messageId)).toBe(step.text);
    expectOnce(client);
  });

  test('a slow reader costs a bounded amount, and ends with the whole text [sio-slow]', async () => {
    const { client, step } = await watched({ way });
    const quick = await east.connect(step.sessionId);
    step.say('begin ');
    await until(() => client.textOf(step.messageId) === 'begin ');
    await until(() => way !== 'upgraded' || client.socket.io.engine.transport.name === 'websocket');
    const resume = stopReading(client);
    const before = client.got.length;
    // Shown whole every 50 ms, this would be many times what kernel and gateway hold for one client.
    for (let n = 0; n < 120; n += 1) {
      step.say(`${n} ${'x'.repeat(5_000)} `);
      await until(() => quick.textOf(step.messageId) === step.text);
      await new Promise((passed) => setTimeout(passed, 20));
    }
    resume();
    await until(() => client.textOf(step.messageId) === step.text);
    await step.draft();
    await step.close();
    await client.event('conversation_complete');
    expect(client.textOf(step.messageId)).toBe(step.text);
    const got = client.got.slice(before).filter(({ event }) => event === 'agent_response_chunk').length;
    expect(got).toBeLessThan(60);
    expectOnce(client);
  }, 60_000);
});

/** Makes the client leave what comes in the kernel, or not poll again; answers how to go on. */
function stopReading(client: SocketIoTestClient): () => void {
  const { transport } = client.socket.io.engine;
  const ws = Reflect.get(transport, 'ws');
  if (ws) {
    ws.pause();
    return () => ws.resume();
  }
  // A poll is under way: its answer is the last one for now.
  const poll = Reflect.get(transport, '_poll');
  let isAsked = false;
  Reflect.set(transport, '_poll', () => {
    isAsked = true;
  });
  return () => {
    Reflect.set(transport, '_poll', poll);
    if (isAsked) poll.call(transport);
  };
}

test('for a client that never polls no more is kept than the bound and one event', async () => {
  const sessionId = await east.session();
  const poller = new HandPoller(east.http);
  await poller.connect({ token: await signToken(), sessions: { [sessionId]: 0 } });
  const step = new StreamingStep(east.db, east.worker, sessionId);
  const quick = await east.connect(sessionId);
  await step.ask('a lot');
  await step.open();
  const pieceChars = 20_000;
  for (let n = 0; n < 40; n += 1) {
    step.say('y'.repeat(pieceChars));
    await until(() => quick.textOf(step.messageId) === step.text);
    await new Promise((passed) => setTimeout(passed, 51));
  }
  const first = await poller.poll();
  const largest = Math.max(...first.events.map((event) => JSON.stringify(event).length));
  expect(Buffer.byteLength(first.text)).toBeLessThan(fullBytes + largest + 10_000);
  expect(step.text.length).toBeGreaterThan(fullBytes * 3);
  await step.draft();
  await step.close();
  let shown = '';
  let isOver = false;
  while (!isOver) {
    const { events } = await poller.poll();
    for (const [event, payload] of events) {
      if (event === 'agent_response_chunk') shown = String(payload.content);
      isOver ||= event === 'conversation_complete';
    }
  }
  expect(shown).toBe(step.text);
}, 30_000);

test('ten clients that never read while 100 MB each would be sent cost the gateway next to nothing', async () => {
  const sessionId = await east.session();
  const step = new StreamingStep(east.db, east.worker, sessionId);
  const quick = await east.connect(sessionId);
  await step.ask('very much');
  await step.open();
  const auth = { token: await signToken(), sessions: { [sessionId]: 0 } };
  const deaf = await Promise.all(Array.from({ length: 5 }, () => dial(east, { auth })));
  await Promise.all(deaf.map((client) => client.event('session_joined')));
  const resume = deaf.map((client) => stopReading(client));
  const pollers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const poller = new HandPoller(east.http);
      await poller.connect(auth);
      return poller;
    }),
  );
  const rssBefore = process.memoryUsage().rss;
  let wouldBeBytes = 0;
  for (let n = 0; n < 200; n += 1) {
    step.say('w'.repeat(5_000));
    await until(() => quick.textOf(step.messageId) === step.text);
    wouldBeBytes += step.text.length;
    await new Promise((passed) => setTimeout(passed, 51));
  }
  const grown = process.memoryUsage().rss - rssBefore;
  expect(wouldBeBytes).toBeGreaterThan(100_000_000);
  // Unbounded it would be a gigabyte; the test itself, in the same process, makes garbage too.
  expect(grown).toBeLessThan(200_000_000);
  for (const poller of pollers) {
    const { text } = await poller.poll();
    expect(Buffer.byteLength(text)).toBeLessThan(fullBytes + 1_100_000);
  }
  for (const read of resume) read();
}, 60_000);

test('chunks of a message are at least 50 ms apart [sio-chunk]', async () => {
  const { client, step } = await watched();
  const startedAt = performance.now();
  for (let n = 0; n < 300; n += 1) {
    step.say(`${n} `);
    if (n % 3 === 0) await new Promise((passed) => setTimeout(passed, 3));
  }
  await step.draft();
  await step.close();
  await client.event('conversation_complete');
  const chunks = client.of('agent_response_chunk').length;
  expect(chunks).toBeLessThanOrEqual((performance.now() - startedAt) / 50 + 2);
  expect(client.textOf(step.messageId)).toBe(step.text);
});

test('a hundred clients at once, over every transport, all see the same', async () => {
  const sessionId = await east.session();
  const step = new StreamingStep(east.db, east.worker, sessionId);
  await step.ask('talk to all');
  await step.open();
  step.say('to early ones ');
  await step.draft();
  const ways: Way[] = ['websocket', 'polling', 'upgraded'];
  const token = await signToken();
  const all = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      dial(east, { way: ways[n % 3] ?? 'websocket', auth: { token, sessions: { [sessionId]: 0 } } }),
    ),
  );
  for (let n = 0; n < 50; n += 1) {
    step.say(`word${n} `);
    await nextTurn();
  }
  await Promise.all(all.map((client) => client.event('session_joined', () => true, 30_000)));
  step.say('to all');
  await step.draft();
  await step.close();
  await Promise.all(all.map((client) => client.event('conversation_complete', () => true, 30_000)));
  for (const client of all) {
    expect(client.textOf(step.messageId)).toBe(step.text);
    expect(client.disconnects).toEqual([]);
    expectOnce(client);
  }
}, 60_000);

test('a gateway that restarts says so, and its clients go on at the next one [sio-restart]', async () => {
  const old = await openGatewayHarness({ beside: east });
  let { port } = old.gateway;
  const balancer = await openBalancer(() => port);
  const all = await Promise.all(
    (['websocket', 'polling', 'upgraded'] as const).map((way) => watched({ way }, balancer)),
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
  const client = await dial(leaving, { reconnection: false });
  await client.event('connection_established');
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
    const { client, step } = await watched({ way: 'websocket' }, balancer);
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
    const { sessionId, client } = await watched({}, east);
    const other = await dial(west, { auth: { token: await signToken(), sessions: { [sessionId]: null } } });
    await other.event('session_joined');
    await other.ask('user_message', { content: 'from the west', session_id: sessionId, id: 'w' });
    await client.event('message_saved', ({ content }) => content === 'from the west');
  });
});
