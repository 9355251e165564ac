import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { lifeTimings } from '../../src/gateway/gateway-life.ts';
import { revokeToken } from '../../src/store/revocations.ts';
import { dialWith, endSoon, secondsFromNow, ticketFor, unauthorized } from '../helpers/credentials.ts';
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

describe('a revocation', () => {
  test('of my own token closes its connections on every gateway, and nothing else [http-revocations] [revoke-closes]', async () => {
    const sessionId = await east.session();
    const [token, other] = [await signToken({ jti: randomUUID() }), await signToken({ jti: randomUUID() })];
    const mine = await Promise.all([east, west, west].map((at) => at.connect(sessionId, { token })));
    const elsewhere = await west.connect(sessionId, { token: other });
    const ticket = await ticketFor(east, token);
    expect((await east.ask('POST', '/v1/revocations', { token, body: {} })).status).toBe(200);
    for (const client of mine) expect(await endSoon(client)).toBe(4001);
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
