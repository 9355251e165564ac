import { describe, expect, test } from '@jest/globals';
import { jwtVerify } from 'jose';
import { parseDurationSeconds, signToken } from '../../src/cli/token.ts';

const secret = 'a-secret-of-at-least-32-characters';

describe('turngate token', () => {
  test('signs the claims that the gateway checks', async () => {
    const token = await signToken(secret, {
      user: 'alice',
      tenant: 'acme',
      name: 'Alice',
      email: 'alice@example.com',
      roles: ['approver'],
      ttlSeconds: 60,
      issuer: 'us',
      audience: 'turngate',
    });
    const key = new TextEncoder().encode(secret);
    const { payload } = await jwtVerify(token, key, {
      issuer: 'us',
      audience: 'turngate',
      algorithms: ['HS256'],
    });
    expect(payload).toMatchObject({
      sub: 'alice',
      tenant: 'acme',
      name: 'Alice',
      email: 'alice@example.com',
      roles: ['approver'],
    });
    expect(payload.jti).toMatch(/^[0-9a-f-]{36}$/);
    expect(Number(payload.exp) - Number(payload.iat)).toBe(60);
  });

  test.each([
    ['90s', 90],
    ['15m', 900],
    ['12h', 43_200],
    ['30d', 2_592_000],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDurationSeconds(text)).toBe(seconds);
  });

  test.each(['', '12', 'h', '0h', '-1h', '1.5h', '12 h', '1w'])(
    '"%s" is refused with what to write',
    (text) => {
      expect(() => parseDurationSeconds(text)).toThrow('is no duration; write a number and s, m, h or d');
    },
  );
});
