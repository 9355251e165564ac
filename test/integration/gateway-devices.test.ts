import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askToClose } from '../../src/store/connections.ts';
import { type GatewayHarness, openGatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { until } from '../helpers/until.ts';

let east: GatewayHarness;
let west: GatewayHarness;
let single: GatewayHarness;
beforeAll(async () => {
  [east, west] = await openGatewayPair();
  single = await openGatewayHarness({
    beside: east,
    config: { DEVICES_PER_USER: 'one', CONNECTIONS_PER_USER: 3 },
  });
});
afterAll(async () => {
  await single.close();
  await east.close();
});

const replaced = { code: 4000, reason: 'Replaced by new connection' };

async function addParticipant(sessionId: string, userId: string): Promise<void> {
  const sql = `insert into participants (session_id, user_id, role) values ($1, $2, 'member')`;
  await east.db.query(sql, [sessionId, userId]);
}

/** Both still answer. */
async function expectOpen(...clients: SessionClient[]): Promise<void> {
  for (const client of clients) {
    client.send({ type: 'ping', id: 'still there' });
    await client.frame('pong', ({ id }) => id === 'still there');
  }
}

describe('a device', () => {
  test('that dialled twice keeps the later connection, whichever arrives first [ws-dialled_at]', async () => {
    const sessionId = await east.session();
    const dialled = (ms: number) => ({ query: { device: 'phone', dialled_at: String(ms) } });
    const later = await east.connect(sessionId, dialled(2_000));
    const earlier = await west.dial(sessionId, dialled(1_000));
    await until(() => earlier.closed !== null);
    expect(earlier.closed).toEqual(replaced);
    await expectOpen(later);
    // The next one is the newest again.
    const last = await west.connect(sessionId, dialled(3_000_000));
    await until(() => later.closed !== null);
    expect(later.closed).toEqual(replaced);
    // A clock that was set back by more than a connection can be on its way.
    const setBack = await east.connect(sessionId, dialled(2_000_000));
    await until(() => last.closed !== null);
    await expectOpen(setBack);
  });

  test('is replaced by its own new connection, on the same gateway and on another [close-4000] [ws-devices]', async () => {
    const sessionId = await east.session();
    const query = { device: 'phone' };
    const first = await east.connect(sessionId, { query });
    const desk = await east.connect(sessionId, { query: { device: 'desk' } });
    const nameless = [await east.connect(sessionId), await west.connect(sessionId)];
    const second = await east.connect(sessionId, { query });
    expect(await first.end()).toEqual(replaced);
    const third = await west.connect(sessionId, { query });
    expect(await second.end()).toEqual(replaced);
    const fourth = await east.connect(sessionId, { query });
    expect(await third.end()).toEqual(replaced);
    await expectOpen(fourth, desk, ...nameless);
  });

  test('of another user, or in another session, is another device [ws-own_devices]', async () => {
    const [sessionId, other] = [await east.session(), await east.session()];
    await addParticipant(sessionId, 'bob');
    const query = { device: 'phone' };
    const alice = await east.connect(sessionId, { query });
    const elsewhere = await west.connect(other, { query });
    const bob = await west.connect(sessionId, { query, token: await signToken({ sub: 'bob' }) });
    await bob.frame('agent_status');
    await expectOpen(alice, bob, elsewhere);
  });

  test('that connects everywhere at once is left with one connection, that of the highest epoch', async () => {
    const sessionId = await east.session();
    const token = await signToken();
    const query = { device: 'phone' };
    const all = await Promise.all(
      Array.from({ length: 24 }, (_, n) => (n % 2 === 0 ? east : west).dial(sessionId, { query, token })),
    );
    await until(() => all.filter(({ closed }) => closed === null).length === 1);
    const survivor = all.find(({ closed }) => closed === null);
    for (const client of all) if (client !== survivor) expect(client.closed).toEqual(replaced);
    const welcome = await survivor?.frame('welcome');
    const { rows } = await east.db.query('select connection_id from connections where session_id = $1', [
      sessionId,
    ]);
    expect(rows).toEqual([{ connection_id: welcome?.connection_id }]);
    if (survivor) await expectOpen(survivor);
  });

  test('with a name that cannot be kept is an invalid query', async () => {
    const client = await east.dial(await east.session(), { query: { device: 'x'.repeat(129) } });
    expect((await client.end()).code).toBe(1008);
    expect(client.of('error')[0]?.error).toMatch(/"device" must have at most 128/);
  });
});

test('where a user has one connection a session, any new one replaces it, and only it [ws-one_device]', async () => {
  const [sessionId, other] = [await east.session('carol'), await east.session('carol')];
  await addParticipant(sessionId, 'bob');
  const token = await signToken({ sub: 'carol' });
  const phone = await single.connect(sessionId, { token, query: { device: 'phone' } });
  const elsewhere = await single.connect(other, { token });
  const bob = await single.connect(sessionId, { token: await signToken({ sub: 'bob' }) });
  const desk = await single.connect(sessionId, { token, query: { device: 'desk' } });
  expect(await phone.end()).toEqual(replaced);
  await expectOpen(desk, elsewhere, bob);
});

test('a user has so many connections on all gateways; one more gets 4029, until one has ended [close-4029]', async () => {
  const sessions = await Promise.all([1, 2, 3, 4].map(() => east.session('dan')));
  const token = await signToken({ sub: 'dan' });
  const [a = '', b = '', c = '', d = ''] = sessions;
  const first = await east.connect(a, { token });
  await single.connect(b, { token });
  await single.connect(c, { token });
  const refused = await (await single.dial(d, { token })).end();
  expect(refused.code).toBe(4029);
  expect(refused.reason).toMatch(/^Too many connections or frames; retry_after_ms=\d+$/);
  // Taking one's own place is no connection more.
  await single.connect(c, { token });
  first.terminate();
  await until(async () => {
    const client = await single.dial(d, { token });
    await until(() => client.closed !== null || client.of('welcome').length === 1);
    return client.closed === null;
  });
});

test('a closure that somebody writes closes within a second, also where no nudge came', async () => {
  const sessionId = await east.session('erin');
  const token = await signToken({ sub: 'erin', jti: 'token-1' });
  const [here, there] = [await east.connect(sessionId, { token }), await west.connect(sessionId, { token })];
  const other = await west.connect(sessionId, { token: await signToken({ sub: 'erin', jti: 'token-2' }) });
  const gateways = await askToClose(east.db, { tenant: 't', tokenId: 'token-1' }, 'unauthorized');
  const askedAt = performance.now();
  expect(gateways.length).toBe(2);
  for (const client of [here, there]) expect((await client.end()).code).toBe(4001);
  expect(performance.now() - askedAt).toBeLessThan(1_000);
  await expectOpen(other);
});
