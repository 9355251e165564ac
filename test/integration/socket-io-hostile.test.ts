import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { HandPoller } from '../helpers/polling.ts';
import { SocketIoTestClient } from '../helpers/socket-io-client.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness();
});
/** Whatever was done to it, the gateway still serves somebody else. */
afterEach(async () => {
  const client = new SocketIoTestClient(harness.http, { auth: { token: await signToken() } });
  await client.event('connection_established');
  client.close();
});
afterAll(() => harness.close());

const path = '/socket.io/?EIO=4&transport=polling';

/** Sends bytes, and answers what came until the end; destroys the socket when it is told to. */
async function raw(text: string, options: { destroyAfterMs?: number } = {}): Promise<string> {
  const socket = connect(harness.gateway.port, '127.0.0.1');
  let got = '';
  socket.on('data', (chunk) => {
    got += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.write(text);
  if (options.destroyAfterMs !== undefined) setTimeout(() => socket.destroy(), options.destroyAfterMs);
  else setTimeout(() => socket.end(), 200);
  await once(socket, 'close');
  return got;
}

const request = (line: string, ...headers: string[]) =>
  `${[line, 'Host: x', ...headers].join('\r\n')}\r\n\r\n`;

test.each<[string, string]>([
  ['no transport', request('GET /socket.io/?EIO=4 HTTP/1.1')],
  ['an unknown transport', request('GET /socket.io/?EIO=4&transport=pigeon HTTP/1.1')],
  ['an old protocol', request('GET /socket.io/?EIO=3&transport=polling HTTP/1.1')],
  ['a sid that is a name of the language', request(`GET ${path}&sid=__proto__ HTTP/1.1`)],
  ['a handshake by POST', `${request(`POST ${path} HTTP/1.1`, 'Content-Length: 2')}40`],
  ['another method', request(`DELETE ${path} HTTP/1.1`)],
  ['a WebSocket without an upgrade', request('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1')],
])('%s is answered with 400', async (_, text) => {
  expect(await raw(text)).toMatch(/^HTTP\/1\.1 400 /);
});

test('requests of a connection that break the rules of polling end it, and nothing else', async () => {
  const broken: ((sid: string) => string)[] = [
    (sid) =>
      `${request(`POST ${path}&sid=${sid} HTTP/1.1`, 'Transfer-Encoding: chunked')}2\r\n40\r\n0\r\n\r\n`,
    (sid) => request(`POST ${path}&sid=${sid} HTTP/1.1`, 'Content-Length: 99999999'),
    (sid) =>
      `${request(
        `POST ${path}&sid=${sid} HTTP/1.1`,
        'Content-Length: 3',
        'Content-Type: application/octet-stream',
      )}\u0001\u0002\u0003`,
    (sid) => `${request(`PUT ${path}&sid=${sid} HTTP/1.1`, 'Content-Length: 2')}40`,
    (sid) => `${request(`POST ${path}&sid=${sid} HTTP/1.1`, 'Content-Length: 8')}rubbish!`,
  ];
  for (const write of broken) {
    const poller = new HandPoller(harness.http);
    await poller.connect({});
    await raw(write(poller.sid), { destroyAfterMs: 100 });
  }
});

test('two polls at once, polls that are given up, and posts cut in the middle', async () => {
  for (let n = 0; n < 20; n += 1) {
    const poller = new HandPoller(harness.http);
    await poller.connect({ token: await signToken() });
    const poll = request(`GET ${path}&sid=${poller.sid} HTTP/1.1`);
    const post = request(`POST ${path}&sid=${poller.sid} HTTP/1.1`, 'Content-Length: 1000') + 'x'.repeat(500);
    await Promise.all([
      raw(poll, { destroyAfterMs: n }),
      raw(poll, { destroyAfterMs: n * 2 }),
      raw(post, { destroyAfterMs: n }),
    ]);
  }
});

test('WebSockets that go at once, or say what is no packet', async () => {
  const url = `${harness.ws}/socket.io/?EIO=4&transport=websocket`;
  const early = Array.from({ length: 50 }, () => {
    const ws = new WebSocket(url);
    ws.on('error', () => undefined);
    ws.on('upgrade', () => ws.terminate());
    return new Promise((closed) => ws.on('close', closed));
  });
  await Promise.all(early);
  for (const text of [
    '',
    '9',
    'x',
    '4',
    '4x',
    '40/elsewhere,',
    '42',
    '42[]',
    '42["connect",{}]',
    '42"x"',
    '451-["a",{"_placeholder":true,"num":0}]',
    '45999999-["a"]',
    '43',
    '1',
    '5',
    '6',
    '40{',
    `40${'['.repeat(10_000)}`,
  ]) {
    const ws = new WebSocket(url);
    await once(ws, 'message');
    ws.send('40');
    ws.send(text);
    const answered = Promise.race([once(ws, 'close'), once(ws, 'message')]);
    await answered;
    ws.terminate();
  }
});

test('a change to WebSocket of a connection that is not there, is closing, or was changed', async () => {
  const upgrade = (sid: string) =>
    new WebSocket(`${harness.ws}/socket.io/?EIO=4&transport=websocket&sid=${sid}`);
  const [code] = await once(upgrade('nobody'), 'close');
  expect(code).toBe(1008);
  const poller = new HandPoller(harness.http);
  await poller.connect({});
  const [first, second] = [upgrade(poller.sid), upgrade(poller.sid)];
  await once(second, 'close');
  first.on('open', () => first.send('2probe'));
  if (first.readyState === WebSocket.OPEN) first.send('2probe');
  expect(String((await once(first, 'message'))[0])).toBe('3probe');
  // It never goes on: the connection stays with polling.
  first.terminate();
  expect((await poller.poll()).status).toBe(200);
});

const deep = '['.repeat(20_000) + ']'.repeat(20_000);

test.each<[string, object]>([
  ['a guest', {}],
  ['a user', { isUser: true }],
])('%s who nests too deeply is told so, and harms nobody', async (_, { isUser }: { isUser?: boolean }) => {
  const ws = new WebSocket(`${harness.ws}/socket.io/?EIO=4&transport=websocket`);
  const got: string[] = [];
  ws.on('message', (data) => got.push(String(data)));
  await once(ws, 'message');
  ws.send(`40${JSON.stringify(isUser ? { token: await signToken() } : {})}`);
  await until(() => got.some((text) => text.includes('connection_established')));
  ws.send(`42["user_message",{"content":"x","more":${deep}}]`);
  ws.send(`421["user_message",${deep}]`);
  await until(() => got.some((text) => text.startsWith('431[') && text.includes('validation_error')));
  ws.terminate();
});

test('an upgrade that names another transport is refused', async () => {
  for (const query of ['EIO=4&transport=polling', 'EIO=4']) {
    const [code] = await once(new WebSocket(`${harness.ws}/socket.io/?${query}`), 'close');
    expect(code).toBe(1008);
  }
  const poller = new HandPoller(harness.http);
  await poller.connect({});
  const wrong = new WebSocket(`${harness.ws}${path}&sid=${poller.sid}`);
  expect((await once(wrong, 'close'))[0]).toBe(1008);
  expect((await poller.poll()).status).toBe(200);
});

test('a poll of a connection that has a WebSocket is answered', async () => {
  const ws = new WebSocket(`${harness.ws}/socket.io/?EIO=4&transport=websocket`);
  const { sid } = JSON.parse(String((await once(ws, 'message'))[0]).slice(1));
  expect(await raw(request(`GET /socket.io/?EIO=4&transport=websocket&sid=${sid} HTTP/1.1`))).toMatch(
    /^HTTP\/1\.1 400 /,
  );
  ws.terminate();
});

test('who asks for namespaces without end is sent away, and not answered without end', async () => {
  const ws = new WebSocket(`${harness.ws}/socket.io/?EIO=4&transport=websocket`);
  const got: string[] = [];
  ws.on('message', (data) => got.push(String(data)));
  await once(ws, 'message');
  for (let n = 0; n < 100; n += 1) ws.send(`40/${n},`);
  expect((await once(ws, 'close'))[0]).toBe(4029);
  expect(got.length).toBeLessThan(30);

  const poller = new HandPoller(harness.http);
  await poller.connect({});
  await poller.post(Array.from({ length: 1_000 }, (_, n) => `40/${n},`).join('\u001e'));
  const { text } = await poller.poll();
  expect(text.split('\u001e').length).toBeLessThan(30);
});

test('a device with NUL, and a last_seq past any store', async () => {
  const nul = new HandPoller(harness.http);
  await nul.connect({ token: await signToken(), device: 'a\u0000' });
  expect((await nul.poll()).text).toContain('auth.device');
  const sessionId = await harness.session();
  const poller = new HandPoller(harness.http);
  await poller.connect({ token: await signToken(), sessions: { [sessionId]: Number.MAX_SAFE_INTEGER } });
  let text = '';
  await until(async () => {
    text += (await poller.poll()).text;
    return text.includes('past the end of this session');
  });
});

test.each<[string, string, boolean]>([
  ['a native socket', '/v1/sessions/default/ws', true],
  ['a Socket.IO guest', '/socket.io/?EIO=4&transport=websocket', false],
])('%s that pings and never reads is cut off at the hard bound', async (_, url, isUser) => {
  const authorization = isUser ? [`Authorization: Bearer ${await signToken()}`] : [];
  const socket = connect(harness.gateway.port, '127.0.0.1');
  let isClosed = false;
  socket.on('error', () => {
    isClosed = true;
  });
  const key = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13'];
  socket.write(
    request(`GET ${url} HTTP/1.1`, ...key, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', ...authorization),
  );
  await once(socket, 'data');
  socket.pause();
  // A masked ping with 120 bytes, under a mask of zeros.
  const pings = Buffer.concat(
    Array.from({ length: 8_000 }, () => Buffer.concat([Buffer.from([0x89, 0x80 | 120]), Buffer.alloc(124)])),
  );
  const before = process.memoryUsage().rss;
  // 200 MB, if it is allowed to.
  for (let n = 0; n < 200 && !isClosed; n += 1) {
    await new Promise((written) => socket.write(pings, written));
  }
  expect(isClosed).toBe(true);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  socket.destroy();
});

test('packets that are no events are bounded too', async () => {
  const ws = new WebSocket(`${harness.ws}/socket.io/?EIO=4&transport=websocket`);
  await once(ws, 'message');
  ws.send('40');
  for (let n = 0; n < 5_000; n += 1) ws.send('3');
  expect((await once(ws, 'close'))[0]).toBe(4029);
});
