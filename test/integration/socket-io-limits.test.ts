import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { limits } from '../../src/protocol/limits.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { HandPoller } from '../helpers/polling.ts';
import { SocketIoClients } from '../helpers/socket-io-clients.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;
const clients = new SocketIoClients();

beforeAll(async () => {
  harness = await openGatewayHarness();
});
afterEach(() => clients.close());
afterAll(() => harness.close());

describe('limits', () => {
  const tooLarge = { content: 'x'.repeat(limits.frameBytes) };

  test('an event that is too large closes the WebSocket with 4013, and the client comes back', async () => {
    const client = await clients.connect(harness, 'large');
    const ws = Reflect.get(client.socket.io.engine.transport, 'ws');
    const closed = new Promise<number>((resolve) => ws.on('close', resolve));
    client.socket.emit('user_message', tooLarge);
    expect(await closed).toBe(4013);
    await until(() => client.of('connection_established').length === 2);
  });

  test('binary frames are not taken', async () => {
    const client = await clients.connect(harness, 'binary');
    const ws = Reflect.get(client.socket.io.engine.transport, 'ws');
    const closed = new Promise<number>((resolve) => ws.on('close', resolve));
    ws.send(Buffer.from([1, 2, 3]));
    expect(await closed).toBe(1003);
  });

  test('a post that is too large is refused with 413 [sio-size]', async () => {
    const poller = new HandPoller(harness.http);
    await poller.connect({ token: await signToken() });
    expect((await poller.emit('user_message', tooLarge)).status).toBe(413);
  });

  test('more than 64 events that wait are refused, and the others are answered', async () => {
    const client = await clients.connect(harness, 'many');
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        client.ask('user_message', { content: `m${n}`, id: `m${n}` }, 30_000),
      ),
    );
    const refused = answers.filter((answer) => 'error' in answer);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(200);
    for (const { error } of refused) expect(error).toMatchObject({ type: 'rate_limit' });
  });

  test('a flood of events is refused and then sent away with 4029, from a guest too [sio-rate]', async () => {
    const client = clients.dial(harness, { reconnection: false });
    await client.event('connection_established');
    const ws = Reflect.get(client.socket.io.engine.transport, 'ws');
    const closed = new Promise<number>((resolve) => ws.on('close', resolve));
    for (let n = 0; n < 1_000; n += 1) client.socket.emit('no_such_event', {});
    expect(await closed).toBe(4029);
    expect(await client.event('error', ({ type }) => type === 'rate_limit')).toMatchObject({
      code: 'rate_limit',
    });
  });

  test('a second CONNECT on the same connection is refused', async () => {
    const poller = new HandPoller(harness.http);
    await poller.connect({ token: await signToken({ sub: 'twice' }) });
    let text = '';
    while (!text.includes('connection_established')) text += (await poller.poll()).text;
    await poller.post('40{}');
    // Engine.IO's packet for the end.
    while (!text.endsWith('1')) ({ text } = await poller.poll());
    expect((await poller.poll()).status).toBe(400);
  });

  test('an address has a bounded number of connections, guests included', async () => {
    const small = await openGatewayHarness({ config: { CONNECTIONS_PER_ADDRESS: 2 } });
    const guests = ['websocket', 'polling'] as const;
    const inside = guests.map((way) => clients.dial(small, { way }));
    await Promise.all(inside.map((client) => client.event('connection_established')));
    const refused = new WebSocket(`${small.ws}/socket.io/?EIO=4&transport=websocket`);
    expect((await once(refused, 'close'))[0]).toBe(4029);
    const poller = new HandPoller(small.http);
    await poller.connect({});
    await until(async () => {
      const { status, text } = await poller.poll();
      expect(text).not.toContain('connection_established');
      return status === 400;
    });
    inside[0]?.close();
    const next = clients.dial(small, { way: 'websocket' });
    await next.event('connection_established');
    clients.close();
    await small.close();
  });

  test('one user has a bounded number of connections, each session of one counted [sio-connections]', async () => {
    const small = await openGatewayHarness({ config: { CONNECTIONS_PER_USER: 2 } });
    const client = await clients.connect(small, 'few');
    const sessions = [await small.session('few'), await small.session('few')];
    expect(await client.ask('resume', { session_id: sessions[0] })).not.toHaveProperty('error');
    expect(await client.ask('resume', { session_id: sessions[1] })).toMatchObject({
      error: { type: 'rate_limit' },
    });
    const second = clients.dial(small, {
      auth: { token: await signToken({ sub: 'few' }) },
      reconnection: false,
    });
    expect(await second.event('error')).toMatchObject({ type: 'rate_limit' });
    await until(() => second.disconnects.length === 1);
    clients.close();
    await small.close();
  });
});

test('who does not answer pings, or opens a connection and joins nothing, is gone [sio-silence] [sio-handshake]', async () => {
  const quick = await openGatewayHarness({ timings: { pingMs: 300, idleMs: 700 } });
  const silent = new HandPoller(quick.http);
  await silent.connect({});
  while (!(await silent.poll()).text.includes('2'));
  await until(async () => (await silent.poll()).status === 400);
  const open = () => new WebSocket(`${quick.ws}/socket.io/?EIO=4&transport=websocket`);
  const [deaf, undecided] = [open(), open()];
  const ended = Promise.all([deaf, undecided].map((ws) => once(ws, 'close')));
  await once(deaf, 'message');
  deaf.send('40');
  await ended;
  await quick.close();
});

test('after many connects and disconnects nothing is left', async () => {
  for (let round = 0; round < 5; round += 1) {
    const some = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        clients.connect(harness, `churn${n}`, { way: n % 2 === 0 ? 'websocket' : 'polling' }),
      ),
    );
    await Promise.all(some.map((client) => client.ask('user_message', { content: 'hi', id: `r${round}` })));
    for (const client of some) client.close();
  }
  await until(async () => {
    const { rows } = await harness.db.query<{ left: number }>(
      `select count(*)::int as left from connections where user_id like 'churn%'`,
    );
    return rows[0]?.left === 0;
  });
});
