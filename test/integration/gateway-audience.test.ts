import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { SocketIoTestClient } from '../helpers/socket-io-client.ts';
import { SseClient } from '../helpers/sse-client.ts';
import { until } from '../helpers/until.ts';

/** Stands in what is for bob's eyes alone. */
const secret = 'Marigold-7';
let east: GatewayHarness;
let west: GatewayHarness;
let closing: (() => void)[];

beforeAll(async () => {
  [east, west] = await openGatewayPair();
  closing = [];
});
afterAll(async () => {
  for (const close of closing) close();
  await east.close();
});

/** Something that a user reads a session on. */
interface Reading {
  way: string;
  /** All that came on it, as text. */
  text(): string;
  /** Whether this message has come, which was sent after the event. */
  has(content: string): boolean;
}

/** Every way that there is to read a session, and the feed; from its beginning. */
async function readEverywhere(sub: string, sessionId: string): Promise<Reading[]> {
  const token = await signToken({ sub });
  const path = `/v1/sessions/${sessionId}/events`;
  const readings: Reading[] = [];
  const add = (way: string, got: () => unknown) => {
    const text = () => JSON.stringify(got());
    readings.push({ way, text, has: (content) => way.startsWith('feed') || text().includes(content) });
  };
  for (const [name, at] of [
    ['east', east],
    ['west', west],
  ] as const) {
    const socket = await at.connect(sessionId, { token });
    add(`WebSocket ${name}`, () => socket.frames);
    const stream = new SseClient(`${at.http}${path}`, { token });
    closing.push(() => stream.close());
    await stream.frame('welcome');
    add(`SSE ${name}`, () => stream.frames);
    const feed = new SseClient(`${at.http}/v1/feed`, { token });
    closing.push(() => feed.close());
    await feed.frame('welcome');
    add(`feed ${name}`, () => feed.frames);
    const io = new SocketIoTestClient(at.http, { auth: { token, sessions: { [sessionId]: 0 } } });
    closing.push(() => io.close());
    await io.event('session_joined');
    add(`Socket.IO ${name}`, () => io.got);
  }
  return readings;
}

/** What a user is told who asks now. */
async function askEverything(sub: string, sessionId: string): Promise<string> {
  const token = await signToken({ sub });
  const paths = [
    ...['', '/events', '/events?after=1', '/events?events=external_event', '/messages'].map(
      (rest) => `/v1/sessions/${sessionId}${rest}`,
    ),
    ...['/v1/sessions', '/v1/feed', '/v1/approvals'],
  ];
  const answers = await Promise.all(paths.map((path) => west.ask('GET', path, { token })));
  expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200));
  return JSON.stringify(answers);
}

test("one user's events reach no other participant, on whatever they read, then or later [event-audience]", async () => {
  const sessionId = await east.session('alice');
  await east.join(sessionId, 'bob', 'member');
  await east.join(sessionId, 'eve', 'owner');
  const others = ['alice', 'eve'];
  const early = await Promise.all(others.map((sub) => readEverywhere(sub, sessionId)));
  const bobs = await readEverywhere('bob', sessionId);
  const token = await signToken({ sub: 'crm', roles: ['service'] });
  const sent = await east.ask('POST', '/v1/users/bob/events', {
    token,
    body: { event_type: secret, event_data: { words: secret } },
  });
  expect(sent.status).toBe(202);
  await east.ask('POST', `/v1/sessions/${sessionId}/messages`, { body: { content: 'the one after it' } });
  const late = await Promise.all(others.map((sub) => readEverywhere(sub, sessionId)));

  for (const reading of [...early.flat(), ...late.flat(), ...bobs]) {
    await until(() => reading.has('the one after it')).catch(() => {
      throw new Error(`${reading.way} did not come as far: ${reading.text()}`);
    });
  }
  const told = [...early.flat(), ...late.flat()].filter((reading) => reading.text().includes(secret));
  expect(told.map(({ way }) => way)).toEqual([]);
  for (const sub of others) expect(await askEverything(sub, sessionId)).not.toContain(secret);

  const ways = bobs.filter(({ way }) => !way.startsWith('feed'));
  expect(ways.filter((reading) => !reading.text().includes(secret)).map(({ way }) => way)).toEqual([]);
  expect(await askEverything('bob', sessionId)).toContain(secret);
});
