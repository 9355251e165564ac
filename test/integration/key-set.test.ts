import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { base64url, SignJWT } from 'jose';
import { createTokenVerifier, type VerifyToken } from '../../src/gateway/auth.ts';
import { authConfig, openGatewayHarness, signToken, until } from '../helpers/gateway.ts';
import { KeyServer, publicText, signWith } from '../helpers/key-server.ts';

let server: KeyServer;
let failures: unknown[];
const unauthorized = { code: 'unauthorized' };

beforeEach(async () => {
  failures = [];
  server = new KeyServer();
  await server.open();
  server.published = [await server.key('one')];
});
afterEach(() => server.close());

function verifier(timings = {}, settings = {}): VerifyToken {
  const claims = { JWT_ISSUER: 'idp', JWT_AUDIENCE: 'turngate' };
  // What fails late is not said to a later test.
  const mine = failures;
  return createTokenVerifier(
    authConfig({ JWT_JWKS_URL: server.url, JWT_SECRET: undefined, ...claims, ...settings }),
    {
      timings: { cooldownMs: 0, failureMs: 0, ...timings },
      reportKeyFailure: (error) => mine.push(error),
    },
  );
}
const key = () => {
  const [first] = server.published;
  if (!first) throw new Error('No key is published.');
  return first;
};

describe('a token of an identity provider', () => {
  test.each(['ES256', 'RS256', 'PS512', 'EdDSA'])('is accepted with %s', async (alg) => {
    server.published = [await server.key('one', alg)];
    const identity = await verifier()(await signWith(key(), { roles: ['service'], jti: 'j' }));
    expect(identity).toMatchObject({ userId: 'alice', tenant: 't', roles: ['service'], tokenId: 'j' });
  });

  test('needs its issuer, its audience and a key of the set', async () => {
    const verify = verifier();
    const foreign = await server.key('one');
    const wrong = [
      await signWith(key(), { iss: 'other' }),
      await signWith(key(), { aud: 'other' }),
      await signWith(foreign),
      await signWith(key(), {}, { kid: 'unknown' }),
    ];
    for (const token of wrong) await expect(verify(token)).rejects.toMatchObject(unauthorized);
    expect((await verify(await signWith(key()))).userId).toBe('alice');
  });

  test('and one with the secret are both good where both are configured', async () => {
    const verify = verifier({}, { JWT_SECRET: 'a secret that is only for tests, 32+' });
    const claims = { iss: 'idp', aud: 'turngate' };
    expect((await verify(await signWith(key()))).userId).toBe('alice');
    expect((await verify(await signToken(claims))).userId).toBe('alice');
  });
});

describe('a confused algorithm', () => {
  const claims = { sub: 'alice', tenant: 't', iss: 'idp', aud: 'turngate', exp: 4e9 };
  const hmac = (secret: string, kid: string) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid }).sign(new TextEncoder().encode(secret));

  test.each([undefined, 'a secret that is only for tests, 32+'])(
    'is refused, with the secret set to %s',
    async (JWT_SECRET) => {
      server.published = [await server.key('one', 'RS256')];
      const verify = verifier({}, { JWT_SECRET });
      const { pem, jwk } = await publicText(key());
      const part = (value: object) => base64url.encode(JSON.stringify(value));
      const [, body, signature] = (await signWith(key())).split('.');
      const forged = [
        await hmac(pem, 'one'),
        await hmac(pem.trim(), 'one'),
        await hmac(jwk, 'one'),
        `${part({ alg: 'none' })}.${part(claims)}.`,
        `${part({ alg: 'None', kid: 'one' })}.${part(claims)}.${signature}`,
        `${part({ alg: 'HS256', kid: 'one' })}.${body}.${signature}`,
        `${part({ alg: 'PS256', kid: 'one' })}.${body}.${signature}`,
        `${part({ kid: 'one' })}.${part(claims)}.${signature}`,
        `${part({ alg: ['RS256'], kid: 'one' })}.${body}.${signature}`,
      ];
      for (const token of forged) await expect(verify(token)).rejects.toMatchObject(unauthorized);
    },
  );

  test('a public-key token is refused where only a secret is configured', async () => {
    const verify = createTokenVerifier(authConfig());
    await expect(verify(await signWith(key()))).rejects.toMatchObject(unauthorized);
  });
});

describe('rotation', () => {
  test('a new key is found at once; one that was taken back ends to count', async () => {
    const verify = verifier({ refreshMs: 50 });
    const old = key();
    const oldToken = await signWith(old);
    expect((await verify(oldToken)).userId).toBe('alice');
    const next = await server.key('two');
    server.published = [old, next];
    expect((await verify(await signWith(next))).userId).toBe('alice');
    expect((await verify(oldToken)).userId).toBe('alice');
    server.published = [next];
    await until(() =>
      verify(oldToken).then(
        () => false,
        (error: { code?: string }) => error.code === 'unauthorized',
      ),
    );
    expect((await verify(await signWith(next))).userId).toBe('alice');
  });

  test('tokens with made-up keys do not make us ask all the time', async () => {
    const verify = verifier({ cooldownMs: 60_000 });
    await verify(await signWith(key()));
    for (let n = 0; n < 20; n += 1) {
      await expect(verify(await signWith(key(), {}, { kid: `k${n}` }))).rejects.toMatchObject(unauthorized);
    }
    expect(server.asked).toBe(1);
  });
});

describe('a key server that is away', () => {
  test('leaves known keys good, and others undecided until it is back', async () => {
    const verify = verifier({ refreshMs: 1 });
    const token = await signWith(key());
    await verify(token);
    const next = await server.key('two');
    server.published = [key(), next];
    await server.close();
    expect((await verify(token)).userId).toBe('alice');
    await expect(verify(await signWith(next))).rejects.toMatchObject({ code: 'unavailable' });
    expect(failures.length).toBeGreaterThan(0);
    await server.open();
    await until(() => verify(`${token}`).then(() => true));
    expect((await verify(await signWith(next))).userId).toBe('alice');
  });

  test('is asked once in a while, and what is no key set counts as away', async () => {
    const verify = verifier({ failureMs: 60_000 });
    server.status = 503;
    const token = await signWith(key());
    for (let n = 0; n < 5; n += 1) await expect(verify(token)).rejects.toMatchObject({ code: 'unavailable' });
    expect(server.asked).toBe(1);
    expect(failures.length).toBe(1);
    const impatient = verifier({ timeoutMs: 20 });
    server.hangs = true;
    await expect(impatient(token)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

test('a gateway lets in who has such a token, and sends who cannot be checked away for a second [auth-keys]', async () => {
  const harness = await openGatewayHarness({ auth: { JWT_SECRET: undefined, JWT_JWKS_URL: server.url } });
  try {
    const sessionId = await harness.session();
    (await harness.connect(sessionId, { token: await signWith(key()) })).terminate();
    const foreign = await server.key('one');
    const confused = await signToken({}, { secret: (await publicText(key())).pem });
    for (const token of [await signWith(foreign), confused]) {
      expect((await (await harness.dial(sessionId, { token })).end()).code).toBe(4001);
      expect((await harness.ask('GET', '/v1/sessions', { token })).status).toBe(401);
    }
    const next = await server.key('two');
    await server.close();
    const known = await signWith(key());
    (await harness.connect(sessionId, { token: known })).terminate();
    // Keys are asked for again only after a while, so a gateway that knows none yet is what cannot say.
    const ignorant = await openGatewayHarness({
      beside: harness,
      auth: { JWT_SECRET: undefined, JWT_JWKS_URL: server.url },
    });
    const unknown = await signWith(next);
    const refusal = await (await ignorant.dial(sessionId, { token: unknown })).end();
    expect(refusal).toEqual({ code: 1012, reason: expect.stringContaining('retry_after_ms=') });
    expect((await ignorant.ask('GET', '/v1/sessions', { token: unknown })).status).toBe(503);
    await ignorant.close();
    await server.open();
  } finally {
    await harness.close();
  }
});
