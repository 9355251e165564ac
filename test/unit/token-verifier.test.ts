import { describe, expect, test } from '@jest/globals';
import { createTokenVerifier } from '../../src/gateway/auth.ts';
import { authConfig, signToken } from '../helpers/gateway.ts';

const refused = { code: 'unauthorized' };

describe('a token with the secret', () => {
  test('says who it is, with which roles, until when, and by which id it can be revoked', async () => {
    const verify = createTokenVerifier(authConfig({ JWT_ISSUER: 'us', JWT_AUDIENCE: 'turngate' }));
    const exp = Math.floor(Date.now() / 1_000) + 60;
    const claims = { iss: 'us', aud: 'turngate', email: 'a@example.org', name: 'A', jti: 'j', iat: 1, exp };
    expect(await verify(await signToken({ ...claims, roles: ['service'] }))).toEqual({
      userId: 'alice',
      tenant: 't',
      email: 'a@example.org',
      name: 'A',
      roles: ['service'],
      tokenId: 'j',
      issuedAt: 1_000,
      expiresAt: exp * 1_000,
    });
    for (const wrong of [
      { iss: 'them' },
      { aud: 'other' },
      { sub: '' },
      { sub: 'operator' },
      { sub: 'a\u0000b' },
      { tenant: undefined },
      { jti: 'x'.repeat(201) },
    ]) {
      await expect(verify(await signToken({ ...claims, ...wrong }))).rejects.toMatchObject(refused);
    }
  });

  test.each([
    ['zero width', 'ann\u200b'],
    ['right to left', '\u202enna'],
    ['a line end', 'ann\n'],
    ['an escape', '\u001b[2Jann'],
    ['private', 'ann\ue000'],
    ['a filler', 'ann\u3164'],
  ])('a user whose name is not what it looks like is refused, and told why: %s', async (_, sub) => {
    const verify = createTokenVerifier(authConfig());
    await expect(verify(await signToken({ sub }))).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(/"sub": holds a control, format or private character/),
    });
    expect((await verify(await signToken({ sub: 'Zoë Ångström 李' }))).userId).toBe('Zoë Ångström 李');
  });

  test('without a jti its id is one of its content, whatever the signature', async () => {
    const verify = createTokenVerifier(authConfig());
    const [one, same, other] = [
      await verify(await signToken({ exp: 4e9 })),
      await verify(await signToken({ exp: 4e9 })),
      await verify(await signToken({ exp: 4e9 + 1 })),
    ];
    expect(one.tokenId).toBe(same.tokenId);
    expect(one.tokenId).not.toBe(other.tokenId);
    expect(one.issuedAt).toBeNull();
  });

  test.each([undefined, 'service', { realm: ['service'] }, [1, 'service'], [''], null])(
    'roles in another shape give none: %j',
    async (roles) => {
      const verify = createTokenVerifier(authConfig());
      expect((await verify(await signToken({ roles }))).roles).toEqual([]);
    },
  );

  test('expires, and must say when unless that is not asked', async () => {
    const [strict, lax, skewed] = [
      createTokenVerifier(authConfig()),
      createTokenVerifier(authConfig({ JWT_EXPIRY: 'optional' })),
      createTokenVerifier(authConfig({ JWT_CLOCK_SKEW_MS: 60_000 })),
    ];
    const exp = Math.floor(Date.now() / 1_000) - 20;
    const old = await signToken({ exp });
    const endless = await signToken({ exp: undefined });
    const early = await signToken({ nbf: exp + 40 });
    for (const verify of [strict, lax]) {
      await expect(verify(old)).rejects.toMatchObject(refused);
      await expect(verify(early)).rejects.toMatchObject(refused);
    }
    await expect(strict(endless)).rejects.toMatchObject(refused);
    expect((await lax(endless)).expiresAt).toBeNull();
    expect((await skewed(old)).expiresAt).toBe((exp + 60) * 1_000);
    expect((await skewed(early)).userId).toBe('alice');
  });

  test('something must be there to check with', () => {
    expect(() => createTokenVerifier(authConfig({ JWT_SECRET: undefined }))).toThrow(/JWT_SECRET_FILE/);
  });
});
