import { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { askToClose } from '../../src/store/connections.ts';
import { getOrCreateDefaultSession } from '../../src/store/default-session.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { HandPoller } from '../helpers/polling.ts';
import type { Way } from '../helpers/socket-io-client.ts';
import { SocketIoClients } from '../helpers/socket-io-clients.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;
const lines: string[] = [];
const clients = new SocketIoClients();

beforeAll(async () => {
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk));
      done();
    },
  });
  harness = await openGatewayHarness({
    origins: 'https://app.example',
    logger: pino({ level: 'trace' }, stream),
  });
});
afterEach(() => clients.close());
afterAll(() => harness.close());

const ways: Way[] = ['websocket', 'polling', 'upgraded'];

describe.each(ways)('over %s', (way) => {
  test('a token in auth [sio-welcome] [sio-connection_established]', async () => {
    const token = await signToken({ sub: 'ann', name: 'Ann', email: 'ann@example.com' });
    const client = clients.dial(harness, { way, auth: { token } });
    const greeting = await client.event('connection_established');
    const user = { id: 'ann', email: 'ann@example.com', name: 'Ann' };
    expect(greeting).toMatchObject({ status: 'connected', authenticated: true, user });
    expect(greeting.session_id).toBe(client.socket.id);
  });

  test('a token in the header [sio-credentials]', async () => {
    const client = clients.dial(harness, {
      way,
      extraHeaders: { Authorization: `Bearer ${await signToken()}` },
    });
    expect(await client.event('connection_established')).toMatchObject({
      authenticated: true,
      user: { id: 'alice' },
    });
  });

  test('a bad token is a connect_error, and a good one with the next connect comes in [sio-bad_token]', async () => {
    const bad = await signToken({}, { secret: 'x'.repeat(40) });
    const client = clients.dial(harness, { way, auth: { token: bad } });
    await until(() => client.connectErrors.length > 0);
    const [error] = client.connectErrors;
    expect(error?.message).toBe('Authentication error');
    expect(error).toMatchObject({ data: { type: 'authentication_required', code: 'unauthorized' } });
    expect(client.got).toEqual([]);
    client.socket.auth = { token: await signToken() };
    client.socket.connect();
    await client.event('connection_established', ({ authenticated }) => authenticated);
  });

  test('a guest may send nothing but auth, and is somebody then [sio-guest] [sio-auth]', async () => {
    const client = clients.dial(harness, { way });
    expect(await client.event('connection_established')).toMatchObject({ authenticated: false, user: null });
    const refused = await client.ask('user_message', { content: 'hello', id: 'g1' });
    const required = { type: 'authentication_required', code: 'unauthorized', id: 'g1' };
    expect(refused).toMatchObject({ error: required });
    expect(await client.event('error')).toMatchObject({ ...required, session_id: client.socket.id });
    // A bad token leaves a guest a guest.
    expect(await client.ask('auth', { token: 'nonsense' })).toMatchObject({
      error: { type: 'authentication_required' },
    });
    await client.ask('auth', { token: await signToken({ sub: `guest-${way}` }) });
    await client.event('connection_established', ({ authenticated }) => authenticated);
    expect(await client.ask('user_message', { content: 'hello', id: 'g1' })).toMatchObject({
      id: 'g1',
      disposition: 'started',
    });
    expect(client.disconnects).toEqual([]);
  });
});

test.each<[string, Record<string, unknown>]>([
  ['an expired token', { token: 'expired' }],
  ['a token that is no text', { token: 7 }],
])('connect_error for %s', async (_, auth) => {
  const token = auth.token === 'expired' ? await signToken({}, { expires: '-1s' }) : auth.token;
  const client = clients.dial(harness, { auth: { token } });
  await until(() => client.connectErrors.length > 0);
  expect(client.connectErrors[0]?.message).toBe('Authentication error');
});

test('after a bad token a good one is taken on the same connection, but tokens are not tried for ever', async () => {
  const bad = { token: 'bad' };
  const poller = new HandPoller(harness.http);
  await poller.connect(bad);
  const answer = async () => {
    for (;;) {
      const { text } = await poller.poll();
      if (text.includes('44{') || text.includes('40{')) return text;
    }
  };
  expect(await answer()).toContain('"message":"Authentication error"');
  await poller.post(`40${JSON.stringify({ token: await signToken() })}`);
  expect(await answer()).toContain('40{"sid"');
  const guesser = new HandPoller(harness.http);
  await guesser.connect(bad);
  let text = '';
  for (let n = 0; !text.includes('Too many attempts'); n += 1) {
    expect(n).toBeLessThan(20);
    await guesser.post(`40${JSON.stringify(bad)}`);
    ({ text } = await guesser.poll());
  }
});

test('a header that is no bearer token is refused, null in auth is a guest', async () => {
  const basic = clients.dial(harness, { extraHeaders: { Authorization: 'Basic YTpi' } });
  await until(() => basic.connectErrors.length > 0);
  expect(basic.connectErrors[0]?.message).toBe('Authentication error');
  const guest = clients.dial(harness, { auth: { token: null } });
  expect(await guest.event('connection_established')).toMatchObject({ authenticated: false });
});

test('a token that expires makes a guest, and a new one goes on where delivery was [sio-expired]', async () => {
  const owner = { tenant: 't', userId: 'short' };
  const sessionId = await getOrCreateDefaultSession(harness.db, owner);
  const short = await signToken({ sub: 'short', exp: Math.floor(Date.now() / 1_000) + 4 });
  const client = clients.dial(harness, { auth: { token: short } });
  await client.event('session_joined');
  await seatParticipants(harness.db, sessionId, { alice: 'member' });
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('talk');
  await step.open();
  step.say('before ');
  await until(() => client.textOf(step.messageId) === 'before ');
  await client.event('error', ({ type }) => type === 'authentication_required');
  expect(await client.ask('user_message', { content: 'hello' })).toMatchObject({
    error: { code: 'unauthorized' },
  });
  step.say('unheard ');
  await step.draft();
  await step.close();
  const before = client.got.length;
  await client.ask('auth', { token: await signToken({ sub: 'short' }) });
  await client.event('conversation_complete');
  expect(client.textOf(step.messageId)).toBe('before unheard ');
  const since = client.got.slice(before).map(({ event }) => event);
  expect(since.slice(0, 2)).toEqual(['connection_established', 'session_joined']);
  // What it had it does not get again.
  expect(client.of('message_saved').length).toBe(1);
  expect(client.disconnects).toEqual([]);
});

test('a fresh token in time keeps the connection, its sessions and its place [sio-refresh]', async () => {
  const client = clients.dial(harness, { auth: { token: await signToken({ sub: 'fresh' }) } });
  await client.event('connection_established');
  await client.ask('user_message', { content: 'one', id: '1' });
  await client.event('message_saved', ({ client_message_id }) => client_message_id === '1');
  await client.ask('auth', { token: await signToken({ sub: 'fresh', jti: 'second' }, { expires: '2h' }) });
  await client.ask('user_message', { content: 'two', id: '2' });
  await client.event('message_saved', ({ client_message_id }) => client_message_id === '2');
  expect(client.of('message_saved').map(({ content }) => content)).toEqual(['one', 'two']);
  expect(client.of('connection_established').length).toBe(2);
  expect(client.of('session_joined').length).toBe(1);
  // It hangs on the new token now, in all its parts.
  const { rows } = await harness.db.query<{ token_id: string }>(
    `select distinct token_id from connections where user_id = 'fresh'`,
  );
  expect(rows).toEqual([{ token_id: 'second' }]);
});

test('another user on the same connection sees nothing of the first one', async () => {
  const client = clients.dial(harness, { auth: { token: await signToken({ sub: 'first' }) } });
  await client.event('connection_established');
  await client.ask('user_message', { content: 'mine', id: '1' });
  const { session_id: first } = await client.event('message_saved');
  await client.ask('auth', { token: await signToken({ sub: 'second' }) });
  expect(await client.ask('user_message', { content: 'theirs', id: '1', session_id: first })).toMatchObject({
    error: { code: 'forbidden', type: 'validation_error' },
  });
  await client.ask('user_message', { content: 'theirs', id: '1' });
  const saved = await client.event('message_saved', ({ content }) => content === 'theirs');
  expect(saved.session_id).not.toBe(first);
});

test('a session of another tenant is like none', async () => {
  const sessionId = await harness.session();
  const client = clients.dial(harness, {
    auth: { token: await signToken({ tenant: 'other' }), sessions: { [sessionId]: 0 } },
  });
  expect(await client.event('error')).toMatchObject({ code: 'not_found', session_id: sessionId });
  expect(await client.ask('user_message', { content: 'x', session_id: sessionId })).toMatchObject({
    error: { code: 'not_found' },
  });
  expect(await client.ask('resume', { session_id: 'no id at all' })).toMatchObject({
    error: { code: 'not_found' },
  });
});

test('who is removed leaves that session and no other; whose token is revoked is sent away for good [sio-revoked] [sio-session_left]', async () => {
  const [one, other] = [await harness.session('removed'), await harness.session('removed')];
  const client = clients.dial(harness, {
    auth: { token: await signToken({ sub: 'removed' }), sessions: { [one]: 0, [other]: null } },
  });
  await until(() => client.of('session_joined').length === 2);
  const userId = 'removed';
  await askToClose(harness.db, { tenant: 't', userId, sessionId: one }, 'accessDenied');
  expect(await client.event('session_left')).toMatchObject({ session_id: one, code: 4003 });
  expect(await client.ask('user_message', { content: 'still here', session_id: other })).toMatchObject({
    disposition: 'started',
  });
  await askToClose(harness.db, { tenant: 't', userId }, 'unauthorized');
  await client.event('error', ({ type }) => type === 'authentication_required');
  await until(() => client.disconnects.length === 1);
  // The client does not come back by itself after this one.
  expect(client.disconnects).toEqual(['io server disconnect']);
});

test('pages of foreign origins are refused, over polling and WebSocket; listed ones may read the answer [sio-origin]', async () => {
  const poll = (origin: string, more: RequestInit = {}) =>
    fetch(`${harness.http}/socket.io/?EIO=4&transport=polling`, { headers: { origin }, ...more });
  const foreign = await poll('https://evil.example');
  expect(foreign.status).toBe(403);
  expect(foreign.headers.get('content-type')).toBe('application/problem+json');
  expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  const listed = await poll('https://app.example');
  expect(listed.status).toBe(200);
  expect(listed.headers.get('access-control-allow-origin')).toBe('https://app.example');
  expect(await listed.text()).toContain('"sid"');
  const preflight = await poll('https://app.example', {
    method: 'OPTIONS',
    headers: {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-headers')).toMatch(/authorization/i);
  for (const way of ['websocket', 'polling'] as const) {
    const evil = clients.dial(harness, {
      way,
      extraHeaders: { origin: 'https://evil.example' },
      reconnection: false,
    });
    await until(() => evil.connectErrors.length > 0);
    const good = clients.dial(harness, { way, extraHeaders: { origin: 'https://app.example' } });
    await good.event('connection_established');
  }
});

test('no token is ever in a log line', async () => {
  const token = await signToken({ sub: 'secretive' });
  const client = clients.dial(harness, {
    auth: { token },
    extraHeaders: { Authorization: `Bearer ${token}` },
  });
  await client.event('connection_established');
  await client.ask('auth', { token });
  await client.ask('auth', { token: `${token}x` });
  const bad = clients.dial(harness, { way: 'polling', auth: { token: `${token}y` } });
  await until(() => bad.connectErrors.length > 0);
  client.close();
  await until(() => lines.some((line) => line.includes('Socket.IO client disconnected')));
  expect(lines.some((line) => line.includes('Socket.IO client connected'))).toBe(true);
  const signature = token.split('.').at(-1) ?? '';
  expect(signature.length).toBeGreaterThan(20);
  expect(lines.filter((line) => line.includes(signature) || line.includes(token.slice(0, 60)))).toEqual([]);
});
