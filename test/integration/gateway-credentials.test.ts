import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { lifeTimings } from '../../src/gateway/gateway-life.ts';
import { revokeToken } from '../../src/store/revocations.ts';
import { type GatewayHarness, openGatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { SessionClient } from '../helpers/session-client.ts';
import { SocketIoTestClient } from '../helpers/socket-io-client.ts';
import { SseClient } from '../helpers/sse-client.ts';
import { until } from '../helpers/until.ts';

let east: GatewayHarness;
let west: GatewayHarness;
beforeAll(async () => {
  [east, west] = await openGatewayPair();
});
afterAll(() => east.close());

const unauthorized = { code: 4001, reason: 'Unauthorized' };
const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;

async function ticketFor(token: string, body: object = {}): Promise<string> {
  const { status, body: made } = await east.ask('POST', '/v1/tickets', { token, body });
  expect(status).toBe(201);
  return String(made.ticket);
}

/** The socket that a ticket opens, with nothing else to show. */
const dialWith = (at: GatewayHarness, sessionId: string, ticket: string): Promise<SessionClient> =>
  at.dial(sessionId, { token: null, query: { ticket } });

/** How long a socket takes to be closed, and how. */
async function timeToEnd(client: SessionClient): Promise<{ code: number; tookMs: number }> {
  const startedAt = Date.now();
  const { code } = await client.end();
  return { code, tookMs: Date.now() - startedAt };
}

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
    const ticket = await ticketFor(await signToken());
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
    const bound = await ticketFor(await signToken(), { session_id: sessionId });
    const { rows } = await east.db.query('select tickets::text as row from tickets');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter(({ row }) => row.includes(bound))).toEqual([]);
    expect(await (await dialWith(east, other, bound)).end()).toEqual(unauthorized);
    // Whoever tried it somewhere else has used it up.
    expect(await (await dialWith(east, sessionId, bound)).end()).toEqual(unauthorized);
    const good = await ticketFor(await signToken(), { session_id: sessionId });
    await (await dialWith(east, sessionId, good)).frame('welcome');
    const old = await ticketFor(await signToken());
    await east.db.query(`update tickets set expires_at = now() - interval '1 millisecond'`);
    expect(await (await dialWith(east, sessionId, old)).end()).toEqual(unauthorized);
    expect(await (await dialWith(east, sessionId, 'made-up')).end()).toEqual(unauthorized);
  });

  test('needs a good token, and ends with it, also once it is used', async () => {
    const sessionId = await east.session();
    const expired = await signToken({ exp: secondsFromNow(-1) });
    expect((await east.ask('POST', '/v1/tickets', { token: expired, body: {} })).status).toBe(401);
    const exp = secondsFromNow(3);
    const ticket = await ticketFor(await signToken({ exp }));
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

describe('a revocation', () => {
  test('of my own token closes its connections on every gateway, and nothing else [http-revocations] [revoke-closes]', async () => {
    const sessionId = await east.session();
    const [token, other] = [await signToken({ jti: randomUUID() }), await signToken({ jti: randomUUID() })];
    const mine = await Promise.all([east, west, west].map((at) => at.connect(sessionId, { token })));
    const elsewhere = await west.connect(sessionId, { token: other });
    const ticket = await ticketFor(token);
    expect((await east.ask('POST', '/v1/revocations', { token, body: {} })).status).toBe(200);
    for (const client of mine) {
      const { code, tookMs } = await timeToEnd(client);
      expect(code).toBe(4001);
      expect(tookMs).toBeLessThan(1_000);
    }
    expect(await (await west.dial(sessionId, { token })).end()).toEqual(unauthorized);
    expect(await (await dialWith(west, sessionId, ticket)).end()).toEqual(unauthorized);
    for (const [method, path] of [
      ['GET', '/v1/sessions'],
      ['POST', '/v1/tickets'],
      ['POST', '/v1/revocations'],
    ] as const) {
      const answer = await west.ask(method, path, { token, ...(method === 'GET' ? {} : { body: {} }) });
      expect([answer.status, answer.body.code]).toEqual([401, 'unauthorized']);
    }
    elsewhere.send({ type: 'auth', id: 'a', token });
    expect(await elsewhere.frame('error')).toMatchObject({ id: 'a', code: 'unauthorized' });
    elsewhere.send({ type: 'message', id: 'm', content: 'still here' });
    await elsewhere.frame('ack');
  });

  test('of a token without a jti works as well', async () => {
    const sessionId = await east.session();
    const token = await signToken({ nonce: randomUUID() });
    const client = await west.connect(sessionId, { token });
    await east.ask('POST', '/v1/revocations', { token, body: {} });
    expect((await client.end()).code).toBe(4001);
    expect(await (await east.dial(sessionId, { token })).end()).toEqual(unauthorized);
  });

  test('follows a connection that went on with another token', async () => {
    const sessionId = await east.session();
    const [first, second] = [await signToken({ jti: randomUUID() }), await signToken({ jti: randomUUID() })];
    const client = await west.connect(sessionId, { token: first });
    client.send({ type: 'auth', id: 'a', token: second });
    await client.frame('ack');
    await east.ask('POST', '/v1/revocations', { token: first, body: {} });
    client.send({ type: 'message', id: 'm', content: 'still here' });
    await client.frame('ack', ({ id }) => id === 'm');
    await east.ask('POST', '/v1/revocations', { token: second, body: {} });
    expect((await client.end()).code).toBe(4001);
  });

  test('by a service names a token or a user; anybody else names only themselves', async () => {
    const user = randomUUID();
    const sessionId = await east.session(user);
    const issued = (seconds: number, claims = {}) =>
      signToken({ sub: user, jti: randomUUID(), iat: secondsFromNow(seconds), ...claims });
    const [one, old, timeless] = [
      await issued(-60, { jti: 'one' }),
      await issued(-60),
      await signToken({ sub: user }),
    ];
    const service = await signToken({ sub: 'backend', roles: ['service'] });
    const clients = await Promise.all(
      [one, old, timeless].map((token) => west.connect(sessionId, { token })),
    );
    for (const body of [{ token_id: 'one' }, { user_id: user }]) {
      const refused = await east.ask('POST', '/v1/revocations', { body });
      expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
      expect(refused.body.detail).toMatch(/role "service"/);
    }
    const foreign = await signToken({ sub: 'backend', tenant: 'other', roles: ['service'] });
    for (const body of [{ token_id: 'one' }, { user_id: user }]) {
      await east.ask('POST', '/v1/revocations', { token: foreign, body });
    }
    const [first, ...others] = clients;
    await east.ask('POST', '/v1/revocations', { token: service, body: { token_id: 'one', expires_at: 1 } });
    expect((await first?.end())?.code).toBe(4001);
    for (const client of others) {
      client.send({ type: 'ping', id: 'p' });
      await client.frame('pong');
    }
    const { body } = await east.ask('POST', '/v1/revocations', { token: service, body: { user_id: user } });
    expect(body).toEqual({ user_id: user, issued_before: expect.any(Number) });
    for (const client of others) expect((await client.end()).code).toBe(4001);
    for (const token of [old, timeless]) {
      expect(await (await west.dial(sessionId, { token })).end()).toEqual(unauthorized);
    }
    const fresh = await issued(1);
    (await west.connect(sessionId, { token: fresh })).terminate();
    const own = await east.ask('POST', '/v1/revocations', { token: fresh, body: { user_id: user } });
    expect(own.status).toBe(200);
    const both = await east.ask('POST', '/v1/revocations', { body: { user_id: 'a', token_id: 'b' } });
    expect(both.status).toBe(400);
  });

  test('and expiry end event streams, feeds and Socket.IO as well [revoke-closes] [close-4010]', async () => {
    const sessionId = await east.session();
    const path = `/v1/sessions/${sessionId}/events`;
    const open = async (token: string) => {
      const streams = [path, '/v1/feed'].map((each) => new SseClient(`${west.http}${each}`, { token }));
      const feed = new SessionClient(`${east.ws}/v1/feed`, { token });
      const io = new SocketIoTestClient(east.http, { auth: { token }, reconnection: false });
      await Promise.all([...streams.map((each) => each.frame('welcome')), feed.frame('welcome')]);
      await io.event('connection_established', ({ authenticated }) => authenticated);
      return { streams, feed, io };
    };
    const token = await signToken({ jti: randomUUID() });
    const revoked = await open(token);
    const exp = secondsFromNow(2);
    const expiring = await open(await signToken({ exp }));
    await east.ask('POST', '/v1/revocations', { token, body: {} });
    for (const stream of revoked.streams) {
      await stream.end();
      expect(stream.goodbye?.code).toBe(4001);
    }
    expect((await revoked.feed.end()).code).toBe(4001);
    await revoked.io.event('error', ({ code }) => code === 'unauthorized');
    await until(() => !revoked.io.socket.connected);
    for (const stream of expiring.streams) {
      await stream.end();
      expect(stream.goodbye?.code).toBe(4010);
    }
    expect((await expiring.feed.end()).code).toBe(4010);
    // A Socket.IO client whose token has expired is a guest until it has another one.
    await expiring.io.event('error', ({ code }) => code === 'unauthorized');
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1_000);
    expect(Date.now()).toBeLessThan(exp * 1_000 + 1_000);
    expect(expiring.io.socket.connected).toBe(true);
    expiring.io.close();
  });

  test('of who is on the way in lets nobody stay, whichever comes first', async () => {
    const sessionId = await east.session();
    for (let round = 0; round < 15; round += 1) {
      const token = await signToken({ jti: randomUUID() });
      const clients = await Promise.all([east, west, west].map((at) => at.dial(sessionId, { token })));
      await east.ask('POST', '/v1/revocations', { token, body: {} });
      const codes = await Promise.all(clients.map(async (client) => (await client.end()).code));
      expect(codes).toEqual([4001, 4001, 4001]);
    }
  });
});

test('who lost a right while their gateway was taken for dead is closed when it is back', async () => {
  const life = { ...lifeTimings, beatMs: 60 };
  const lost = await openGatewayHarness({ beside: east, timings: { life } });
  const sessionId = await east.session();
  await east.join(sessionId, 'bob', 'member');
  const gone = await east.session();
  const [revoked, kept] = [await signToken({ jti: randomUUID() }), await signToken({ jti: randomUUID() })];
  const clients = [
    await lost.connect(sessionId, { token: revoked }),
    await lost.connect(sessionId, { token: await signToken({ sub: 'bob' }) }),
    await lost.connect(gone, { token: kept }),
  ];
  const stays = await lost.connect(sessionId, { token: kept });
  // As the other gateways do with one that says nothing, and as rights are taken while it cannot be told: in one
  // transaction, so that it finds all of it together.
  const tx = await east.db.connect();
  await tx.query('begin');
  await tx.query(
    'delete from gateways where id in (select gateway_id from connections where session_id = $1)',
    [sessionId],
  );
  await tx.query('delete from connections where session_id = any($1)', [[sessionId, gone]]);
  await tx.query(`delete from participants where session_id = $1 and user_id = 'bob'`, [sessionId]);
  await tx.query('update sessions set deleted_at = now() where id = $1', [gone]);
  await revokeToken(tx, {
    tenant: 't',
    tokenId: String(decodeJwt(revoked).jti),
    revokedBy: 'test',
    expiresAt: null,
  });
  await tx.query('commit');
  tx.release();
  const codes = await Promise.all(clients.map(async (client) => (await client.end()).code));
  expect(codes).toEqual([4001, 4003, 4004]);
  stays.send({ type: 'message', id: 'm', content: 'still here' });
  await stays.frame('ack', ({ id }) => id === 'm');
  await lost.close();
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
