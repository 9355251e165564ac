import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { io } from 'socket.io-client';
import type { Config } from '../../src/config/config.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { until } from '../helpers/until.ts';

const opened: GatewayHarness[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(opened.splice(0).map((harness) => harness.close()));
});
async function harnessWith(
  config: Partial<Config>,
  timings: NonNullable<Parameters<typeof openGatewayHarness>[0]>['timings'] = {},
): Promise<GatewayHarness> {
  const harness = await openGatewayHarness({ config, timings });
  opened.push(harness);
  return harness;
}
const tooMany = /^Too many connections or frames; retry_after_ms=\d+$/;

async function isLetIn(client: SessionClient): Promise<boolean> {
  await until(() => client.closed !== null || client.of('welcome').length === 1);
  return client.closed === null;
}

describe('connections', () => {
  test('of one address are bounded, whoever they are, as far as its proxy is trusted', async () => {
    const harness = await harnessWith({ CONNECTIONS_PER_ADDRESS: 2, TRUSTED_PROXIES: '127.0.0.1' });
    const sessionId = await harness.session();
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    const first = await harness.connect(sessionId, from('203.0.113.1'));
    // Nobody needs to be anybody to take room.
    const stranger = await harness.dial(sessionId, { ...from('203.0.113.1'), token: 'none' });
    expect((await stranger.end()).code).toBe(4001);
    await harness.connect(sessionId, from('203.0.113.1'));
    const refused = await (await harness.dial(sessionId, from('203.0.113.1'))).end();
    expect(refused.code).toBe(4029);
    expect(refused.reason).toMatch(tooMany);
    await harness.connect(sessionId, from('203.0.113.2'));

    const headers = { authorization: `Bearer ${await signToken()}`, accept: 'text/event-stream' };
    const events = (address: string) =>
      fetch(`${harness.http}/v1/sessions/${sessionId}/events`, {
        headers: { ...headers, ...from(address).headers },
      });
    const stream = await events('203.0.113.1');
    expect([stream.status, stream.headers.get('retry-after') !== null]).toEqual([429, true]);
    expect(await stream.json()).toMatchObject({ code: 'rate_limit' });

    const client = io(harness.http, { extraHeaders: from('203.0.113.1').headers, reconnection: false });
    const ended = new Promise((resolve) => client.once('disconnect', resolve).once('connect_error', resolve));
    await ended;
    client.close();

    first.terminate();
    await until(async () => isLetIn(await harness.dial(sessionId, from('203.0.113.1'))));
  });

  test('of one gateway are bounded, and nobody can say that they come from elsewhere', async () => {
    const harness = await harnessWith({ CONNECTIONS_MAX: 3, CONNECTIONS_PER_ADDRESS: 2 });
    const sessionId = await harness.session();
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    await harness.connect(sessionId, from('203.0.113.1'));
    await harness.connect(sessionId, from('203.0.113.2'));
    expect((await (await harness.dial(sessionId, from('203.0.113.3'))).end()).code).toBe(4029);
    const all = await harnessWith({ CONNECTIONS_MAX: 1 });
    await all.connect(await all.session());
    expect((await (await all.dial(await all.session())).end()).code).toBe(4029);
  });
});

describe('what comes too quickly', () => {
  test('a frame is refused with rate_limit, and who goes on is sent away with 4029 [error-rate_limit] [close-4029]', async () => {
    const harness = await harnessWith({ FRAMES_PER_SECOND: 5 }, { pingMs: 500, sweepMs: 20 });
    const sessionId = await harness.session();
    const client = await harness.connect(sessionId);
    for (let n = 0; n < 25; n += 1) client.send({ type: 'ping', id: `p${n}` });
    await until(() => client.of('pong').length + client.of('error').length === 25);
    expect(client.of('pong').length).toBeLessThan(25);
    expect(client.of('pong').length).toBeGreaterThanOrEqual(20);
    for (const error of client.of('error'))
      expect(error).toMatchObject({ code: 'rate_limit', id: expect.stringMatching(/^p2\d$/) });
    // The gateway's pings tell the time: after four of them it has earned a frame again.
    const pings = client.of('ping').length;
    await until(() => client.of('ping').length >= pings + 4);
    client.send({ type: 'ping', id: 'later' });
    await client.frame('pong', ({ id }) => id === 'later');
    for (let n = 0; n < 100; n += 1) client.socket.send('not even JSON');
    const { code, reason } = await client.end();
    expect(code).toBe(4029);
    expect(reason).toMatch(tooMany);
  });

  test('an HTTP request gets 429 with the time to wait, and other users none of it', async () => {
    const harness = await harnessWith({ HTTP_REQUESTS_PER_SECOND: 2 });
    const ask = async (sub: string) => {
      const headers = { authorization: `Bearer ${await signToken({ sub })}` };
      return fetch(`${harness.http}/v1/sessions`, { headers });
    };
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask('alice')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(10);
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(10);
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await refused[0]?.json()).toMatchObject({ code: 'rate_limit', status: 429 });
    expect((await ask('bob')).status).toBe(200);
    await until(async () => (await ask('alice')).status === 200);
  });
});

describe('who is slow on purpose', () => {
  /** Sends the first text at once and the drop again and again, until the other side has enough. */
  function trickle(
    port: number,
    first: string,
    drop: string,
    everyMs: number,
  ): { isClosed(): boolean; said(): string } {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    let said = '';
    let isClosed = false;
    socket.write(first);
    const timer = setInterval(() => socket.write(drop), everyMs);
    socket.on('data', (data) => {
      said += data.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearInterval(timer);
      isClosed = true;
    });
    return { isClosed: () => isClosed, said: () => said };
  }

  test('with headers, with a body, or with saying anything is given up within 20 s, and holds up nobody', async () => {
    const harness = await harnessWith({});
    const { port } = harness.gateway;
    const upgrade = `GET /v1/sessions/x/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nX-Slow: `;
    const body = `POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{"title":"`;
    const slow = [
      trickle(port, '', '', 1_000),
      trickle(port, 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ', 'a', 200),
      trickle(port, upgrade, 'a', 200),
      trickle(port, body, 'a', 200),
    ];
    expect((await fetch(`${harness.http}/healthz`)).status).toBe(200);
    const client = await harness.connect(await harness.session());
    await until(() => slow.every((one) => one.isClosed()), 20_000);
    expect(client.closed).toBeNull();
  }, 30_000);

  test('with one frame of a WebSocket is closed with 4008: only whole frames are signs of life', async () => {
    const harness = await harnessWith({}, { idleMs: 600, pingMs: 10_000, sweepMs: 20 });
    const sessionId = await harness.session();
    const upgrade = [
      `GET /v1/sessions/${sessionId}/ws HTTP/1.1`,
      'Host: 127.0.0.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      `Authorization: Bearer ${await signToken()}`,
    ].join('\r\n');
    // A masked text frame of 60,000 bytes, of which some come each time.
    const frame = Buffer.from([0x81, 0xfe, 0xea, 0x60, 0, 0, 0, 0]).toString('latin1');
    const slow = trickle(harness.gateway.port, `${upgrade}\r\n\r\n`, '', 10_000);
    await until(() => slow.said().includes('"welcome"'));
    const socket = sockets.at(-1);
    socket?.write(Buffer.from(frame, 'latin1'));
    const timer = setInterval(() => socket?.write('x'), 50);
    await until(() => slow.said().includes('No frame for 45 s') && slow.isClosed());
    clearInterval(timer);
  });
});
