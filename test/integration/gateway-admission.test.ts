import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';

let harness: GatewayHarness;
let sessionId: string;

beforeAll(async () => {
  harness = await openGatewayHarness({ origins: 'https://app.example' });
  sessionId = await harness.session();
});
afterAll(() => harness.close());

describe('who comes in', () => {
  test.each(['header', 'query', 'protocol'] as const)('a token by %s [ws-credentials]', async (way) => {
    const client = await harness.connect(sessionId, { way });
    const welcome = await client.frame('welcome');
    expect(welcome).toMatchObject({ session_id: sessionId, last_seq: 0, protocol: 'turngate.v1' });
    expect(welcome.user).toEqual({ id: 'alice', email: null, name: null });
    expect(client.socket.protocol).toBe(way === 'protocol' ? 'turngate.v1' : '');
    expect(client.frames[0]).toEqual(welcome);
    client.terminate();
  });

  const unsigned = `${btoa('{"alg":"none"}')}.${btoa('{"sub":"alice","tenant":"t"}')}.`;
  test.each<[string, () => Promise<string | null> | string | null]>([
    ['no token', () => null],
    ['a token of another secret', () => signToken({}, { secret: 'x'.repeat(40) })],
    ['an expired token', () => signToken({}, { expires: '-1s' })],
    ['a token without tenant', () => signToken({ tenant: undefined })],
    ['a token that is not signed', () => unsigned],
    ['what is no token', () => 'not.a.token'],
  ])('4001 for %s [close-4001] [auth-claims]', async (_, token) => {
    const client = await harness.dial(sessionId, { token: await token() });
    expect(await client.end()).toEqual({ code: 4001, reason: 'Unauthorized' });
    expect(client.frames).toEqual([]);
  });

  test('4003 for somebody of the tenant who does not take part [close-4003]', async () => {
    const client = await harness.dial(sessionId, { token: await signToken({ sub: 'mallory' }) });
    expect(await client.end()).toEqual({ code: 4003, reason: 'Access denied' });
  });

  test('4004 for another tenant, for an unknown session, and for what is no id [close-4004] [ws-refusal]', async () => {
    const foreign = await signToken({ tenant: 'other' });
    const unknown = '0193b0aa-0000-7000-8000-000000000000';
    const clients = [
      await harness.dial(sessionId, { token: foreign }),
      await harness.dial(unknown),
      await harness.dial('%00'),
    ];
    for (const client of clients) {
      expect(await client.end()).toEqual({ code: 4004, reason: 'Session not found' });
    }
  });

  test('a foreign origin is refused before the upgrade, listed and own ones are not [ws-origin]', async () => {
    const foreign = await harness.dial(sessionId, { origin: 'https://evil.example' });
    await foreign.end();
    expect(foreign.upgradeStatus).toBe(403);
    const rebound = await harness.dial(sessionId, { origin: `http://evil.example:${harness.gateway.port}` });
    await rebound.end();
    expect(rebound.upgradeStatus).toBe(403);
    for (const origin of ['https://app.example', harness.http]) {
      (await harness.connect(sessionId, { origin })).terminate();
    }
  });

  test.each([
    { events: 'turn_end,no_such_type' },
    { last_seq: 'many' },
    { last_seq: '-1' },
    { last_seq: '1e400' },
  ])('a query that cannot be served is refused with a reason: %j [close-1008]', async (query) => {
    const client = await harness.dial(sessionId, { query });
    expect((await client.end()).code).toBe(1008);
    expect(client.frames).toMatchObject([{ type: 'error', code: 'validation_error' }]);
  });
});
