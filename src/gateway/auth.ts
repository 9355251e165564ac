import { readFileSync } from 'node:fs';
import { jwtVerify } from 'jose';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { PublicError } from '../protocol/errors.ts';
import { isCleanText } from '../protocol/text.ts';

/** Who is at the other end, as their token says. */
export interface Identity {
  userId: string;
  tenant: string;
  email: string | null;
  name: string | null;
}

/** @throws PublicError `unauthorized` for a token that is not good, in words that say why */
export type VerifyToken = (token: string) => Promise<Identity>;

const minSecretChars = 32;
const claimText = z.string().min(1).max(200).refine(isCleanText, 'holds characters that cannot be stored');
const claims = z.object({
  sub: claimText,
  tenant: claimText,
  email: claimText.nullish(),
  name: claimText.nullish(),
});

/**
 * Verifies HS256 tokens with the configured secret; any other algorithm is refused.
 * @throws Error when no usable secret is configured
 */
export function createTokenVerifier(
  config: Pick<Config, 'JWT_SECRET' | 'JWT_SECRET_FILE' | 'JWT_ISSUER' | 'JWT_AUDIENCE'>,
): VerifyToken {
  const key = new TextEncoder().encode(readSecret(config));
  const options = {
    algorithms: ['HS256'],
    ...(config.JWT_ISSUER === undefined ? {} : { issuer: config.JWT_ISSUER }),
    ...(config.JWT_AUDIENCE === undefined ? {} : { audience: config.JWT_AUDIENCE }),
  };
  return async (token) => {
    const payload = await jwtVerify(token, key, options).then(
      (verified) => verified.payload,
      (error: unknown) => {
        const why = error instanceof Error ? error.message : 'unreadable';
        throw new PublicError('unauthorized', `The token is not accepted (${why}). Get a new one.`);
      },
    );
    const parsed = claims.safeParse(payload);
    if (!parsed.success) {
      const claim = parsed.error.issues[0]?.path.join('.') ?? 'sub';
      throw new PublicError('unauthorized', `The token has no usable claim "${claim}". Get a new one.`);
    }
    const { sub, tenant, email, name } = parsed.data;
    return { userId: sub, tenant, email: email ?? null, name: name ?? null };
  };
}

function readSecret(config: Pick<Config, 'JWT_SECRET' | 'JWT_SECRET_FILE'>): string {
  if (config.JWT_SECRET !== undefined) return config.JWT_SECRET;
  if (config.JWT_SECRET_FILE === undefined) {
    throw new Error(
      'No JWT secret is configured: set JWT_SECRET, or JWT_SECRET_FILE to a file that holds it.',
    );
  }
  const secret = readFileSync(config.JWT_SECRET_FILE, 'utf8').trim();
  if (secret.length < minSecretChars) {
    throw new Error(
      `The JWT secret in ${config.JWT_SECRET_FILE} is too short: it needs ${minSecretChars} characters.`,
    );
  }
  return secret;
}
