import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { fullBytes } from '../../src/gateway/websocket-outlet.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { HandPoller } from '../helpers/polling.ts';
import type { SocketIoTestClient, Way } from '../helpers/socket-io-client.ts';
import { expectOnce, SocketIoClients } from '../helpers/socket-io-clients.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;
const clients = new SocketIoClients();

beforeAll(async () => {
  harness = await openGatewayHarness({ config: { CONNECTIONS_PER_USER: 1_000 } });
});
afterEach(() => clients.close());
afterAll(() => harness.close());

describe.each<Way>(['websocket', 'polling', 'upgraded'])('over %s', (way) => {
  test('a client that was cut off gets what it missed, without a word of its own [sio-reconnect]', async () => {
    const { client, step } = await clients.watch(harness, { way });
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
    const { client, step } = await clients.watch(harness, { way });
    const quick = await harness.connect(step.sessionId);
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
  const sessionId = await harness.session();
  const poller = new HandPoller(harness.http);
  await poller.connect({ token: await signToken(), sessions: { [sessionId]: 0 } });
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  const quick = await harness.connect(sessionId);
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
  const sessionId = await harness.session();
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  const quick = await harness.connect(sessionId);
  await step.ask('very much');
  await step.open();
  const auth = { token: await signToken(), sessions: { [sessionId]: 0 } };
  const deaf = await Promise.all(Array.from({ length: 5 }, () => clients.dial(harness, { auth })));
  await Promise.all(deaf.map((client) => client.event('session_joined')));
  const resume = deaf.map((client) => stopReading(client));
  const pollers = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const poller = new HandPoller(harness.http);
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

test('chunks of a message are at lharness 50 ms apart [sio-chunk]', async () => {
  const { client, step } = await clients.watch(harness);
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
  const sessionId = await harness.session();
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('talk to all');
  await step.open();
  step.say('to early ones ');
  await step.draft();
  const ways: Way[] = ['websocket', 'polling', 'upgraded'];
  const token = await signToken();
  const all = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      clients.dial(harness, {
        way: ways[n % 3] ?? 'websocket',
        auth: { token, sessions: { [sessionId]: 0 } },
      }),
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
    // Whether a busy machine cut somebody off in between is no matter: then they came back, and missed nothing.
    expect(client.textOf(step.messageId)).toBe(step.text);
    expectOnce(client);
  }
}, 60_000);
