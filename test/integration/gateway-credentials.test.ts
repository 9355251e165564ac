import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dialWith, secondsFromNow, ticketFor, unauthorized } from '../helpers/credentials.ts';
import { type GatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { SessionClient } from '../helpers/session-client.ts';
import { until } from '../helpers/until.ts';

let east: GatewayHarness;
let west: GatewayHarness;
beforeAll(async () => {
  [east, west] = await openGatewayPair();
});
afterAll(() => east.close());

describe('a token', () => {
  test('says who it is, and without what it must say it is refused [auth-claims]', async () => {
    const sessionId = await east.session();
    const token = await signToken({ name: 'Alice', email: 'alice@example.org' });
    const client = await east.connect(sessionId, { token });
    const user = { id: 'alice', name: 'Alice', email: 'alice@example.org' };
    expect((await client.frame('welcome')).user).toEqual(user);
    for (const missing of ['sub', 'tenant', 'exp']) {
      const lacking = await signToken({ [missing]: undefined });
      expect((await east.ask('GET', '/v1/sessions', { token: lacking })).status).toBe(401);
      expect(await (await east.dial(sessionId, { token: lacking })).end()).toEqual(unauthorized);
    }
  });
});

describe('the session `default`', () => {
  test('is one for each user and tenant, also when many ask at once, and is in all paths [session-default]', async () => {
    const users = [{ sub: randomUUID() }, { sub: randomUUID() }];
    const [one = {}, two = {}] = users;
    const tokens = await Promise.all(
      [one, two, { ...one, tenant: 'other' }].map((claims) => signToken(claims)),
    );
    const ids = await Promise.all(
      tokens.map(async (token) => {
        const asked = await Promise.all(
          Array.from({ length: 8 }, (_, n) =>
            (n % 2 === 0 ? east : west).ask('GET', '/v1/sessions/default', { token }),
          ),
        );
        return asked.map(({ body }) => body.id);
      }),
    );
    expect(ids.map((each) => new Set(each).size)).toEqual([1, 1, 1]);
    expect(new Set(ids.flat()).size).toBe(3);
    const [token = ''] = tokens;
    const said = await east.ask('POST', '/v1/sessions/default/messages', {
      token,
      body: { content: 'hello' },
    });
    expect(said.status).toBe(202);
    const client = await west.connect('default', { token });
    expect((await client.frame('welcome')).session_id).toBe(ids[0]?.[0]);
    await client.frame('message_saved');
    const { body } = await west.ask('GET', '/v1/sessions', { token });
    expect(body.sessions).toMatchObject([{ id: ids[0]?.[0] }]);
  });
});

describe('a ticket', () => {
  test('lets its holder in once, on whichever gateway [http-tickets] [ticket-once]', async () => {
    const sessionId = await east.session();
    const token = await signToken({ name: 'Alice', roles: ['x'] });
    const { body } = await east.ask('POST', '/v1/tickets', { token, body: {} });
    expect(body).toEqual({ ticket: expect.stringMatching(/^[\w-]{43}$/), expires_at: expect.any(Number) });
    const left = Number(body.expires_at) - Date.now();
    expect(left).toBeGreaterThan(20_000);
    expect(left).toBeLessThanOrEqual(31_000);
    const ticket = String(body.ticket);
    const client = await dialWith(west, sessionId, ticket);
    expect((await client.frame('welcome')).user).toEqual({ id: 'alice', email: null, name: 'Alice' });
    for (const at of [east, west]) {
      expect(await (await dialWith(at, sessionId, ticket)).end()).toEqual(unauthorized);
    }
  });

  test('of many that bring it at once to several gateways, one comes in', async () => {
    const sessionId = await east.session();
    const ticket = await ticketFor(east, await signToken());
    const clients = await Promise.all(
      Array.from({ length: 20 }, (_, n) => dialWith(n % 2 === 0 ? east : west, sessionId, ticket)),
    );
    const open = () => clients.filter((client) => client.of('welcome').length > 0);
    const shut = () => clients.filter(({ closed }) => closed?.code === 4001);
    await until(() => open().length + shut().length === clients.length);
    expect([open().length, shut().length]).toEqual([1, 19]);
  });

  test('is kept as a hash, and is good for 30 s and for the session that it names', async () => {
    const [sessionId, other] = [await east.session(), await east.session()];
    const bound = await ticketFor(east, await signToken(), { session_id: sessionId });
    const { rows } = await east.db.query('select tickets::text as row from tickets');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter(({ row }) => row.includes(bound))).toEqual([]);
    expect(await (await dialWith(east, other, bound)).end()).toEqual(unauthorized);
    // Whoever tried it somewhere else has used it up.
    expect(await (await dialWith(east, sessionId, bound)).end()).toEqual(unauthorized);
    const good = await ticketFor(east, await signToken(), { session_id: sessionId });
    await (await dialWith(east, sessionId, good)).frame('welcome');
    const old = await ticketFor(east, await signToken());
    await east.db.query(`update tickets set expires_at = now() - interval '1 millisecond'`);
    expect(await (await dialWith(east, sessionId, old)).end()).toEqual(unauthorized);
    expect(await (await dialWith(east, sessionId, 'made-up')).end()).toEqual(unauthorized);
  });

  test('needs a good token, and ends with it, also once it is used', async () => {
    const sessionId = await east.session();
    const expired = await signToken({ exp: secondsFromNow(-1) });
    expect((await east.ask('POST', '/v1/tickets', { token: expired, body: {} })).status).toBe(401);
    const exp = secondsFromNow(3);
    const ticket = await ticketFor(east, await signToken({ exp }));
    const client = await dialWith(east, sessionId, ticket);
    await client.frame('welcome');
    expect((await client.end()).code).toBe(4010);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000);
    expect(Date.now()).toBeLessThan(exp * 1_000 + 1_000);
  });
});

describe('a token that expires while its connection is open', () => {
  test('closes it within a second [close-4010]', async () => {
    const sessionId = await east.session();
    const exp = secondsFromNow(2);
    const clients = await Promise.all(
      [east, west, east].map(async (at) => at.connect(sessionId, { token: await signToken({ exp }) })),
    );
    for (const client of clients) expect(await client.end()).toEqual({ code: 4010, reason: 'Token expired' });
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000);
    expect(Date.now()).toBeLessThan(exp * 1_000 + 1_000);
  });

  test('does not when `auth` brought a new one, and the new one counts from then on [client-auth]', async () => {
    const sessionId = await east.session();
    const client = await east.connect(sessionId, { token: await signToken({ exp: secondsFromNow(2) }) });
    const witness = await east.connect(sessionId, { token: await signToken({ exp: secondsFromNow(2) }) });
    const exp = secondsFromNow(4);
    client.send({ type: 'auth', id: 'a', token: await signToken({ exp }) });
    expect(await client.frame('ack')).toEqual({ type: 'ack', id: 'a' });
    expect((await witness.end()).code).toBe(4010);
    client.send({ type: 'message', id: 'm', content: 'still here' });
    await client.frame('ack', ({ id }) => id === 'm');
    expect((await client.end()).code).toBe(4010);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000);
    expect(Date.now()).toBeLessThan(exp * 1_000 + 1_000);
  });

  test('a feed goes on with a new token as well', async () => {
    const feed = new SessionClient(`${west.ws}/v1/feed`, {
      token: await signToken({ exp: secondsFromNow(2) }),
    });
    await feed.frame('welcome');
    const witness = await west.connect(await east.session(), {
      token: await signToken({ exp: secondsFromNow(2) }),
    });
    feed.send({ type: 'auth', id: 'a', token: await signToken() });
    await feed.frame('ack', ({ id }) => id === 'a');
    expect((await witness.end()).code).toBe(4010);
    feed.send({ type: 'ping', id: 'still' });
    await feed.frame('pong', ({ id }) => id === 'still');
    feed.terminate();
  });

  test('`auth` takes a good token of the same user and tenant, and a refusal changes nothing', async () => {
    const sessionId = await east.session();
    const client = await east.connect(sessionId);
    const tries: [string, string, string][] = [
      ['bob', 'forbidden', await signToken({ sub: 'bob' })],
      ['tenant', 'forbidden', await signToken({ tenant: 'other' })],
      ['old', 'unauthorized', await signToken({ exp: secondsFromNow(-1) })],
      ['forged', 'unauthorized', await signToken({}, { secret: 'x'.repeat(40) })],
      ['nonsense', 'unauthorized', 'nonsense'],
    ];
    for (const [id, code, token] of tries) {
      client.send({ type: 'auth', id, token });
      expect(await client.frame('error', (frame) => frame.id === id)).toMatchObject({ code });
    }
    client.send({ type: 'message', id: 'm', content: 'hello' });
    await client.frame('ack', ({ id }) => id === 'm');
  });
});

test('after all that, nothing is watched or listed that is not there', async () => {
  const count = async () =>
    (await east.db.query<{ n: number }>('select count(*) as n from connections')).rows[0]?.n;
  const open = (await count()) ?? 0;
  const sessionId = await east.session();
  const client = await east.connect(sessionId);
  expect(await count()).toBe(open + 1);
  client.terminate();
  await until(async () => (await count()) === open);
});
