import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import { z } from 'zod';
import type { Config } from '../config/config.ts';
import { PublicError } from '../protocol/errors.ts';
import { invisibleFault, isCleanText, isVisibleName } from '../protocol/text.ts';
import { type KeySetTimings, KeysUnavailable, keySetTimings, openKeySet } from './key-set.ts';

/** Who is at the other end, as their token says. */
export interface Identity {
  userId: string;
  tenant: string;
  email: string | null;
  name: string | null;
  /** Of the token, not of a session: `service` is a backend of the deployment. */
  roles: string[];
  /** `jti`, else a hash of what the token says: what a revocation names. */
  tokenId: string;
  /** Milliseconds since 1970; null where the token does not say. */
  issuedAt: number | null;
  /** Milliseconds since 1970, the allowed clock skew included; null: never. */
  expiresAt: number | null;
}

/** @throws PublicError `unauthorized` (not good, in words that say why), `unavailable` (keys cannot be read) */
export type VerifyToken = (token: string) => Promise<Identity>;

export type AuthConfig = Pick<
  Config,
  | 'JWT_SECRET'
  | 'JWT_SECRET_FILE'
  | 'JWT_JWKS_URL'
  | 'JWT_ISSUER'
  | 'JWT_AUDIENCE'
  | 'JWT_CLOCK_SKEW_MS'
  | 'JWT_EXPIRY'
>;

const minSecretChars = 32;
const maxRoles = 50;
/** With public keys only these count; never one that would take a public key for a secret. */
const publicKeyAlgorithms = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
/** The last moment that a Date can be, long before the last that the store knows. */
const lastMs = 8.64e15;
const claimText = z.string().min(1).max(200).refine(isCleanText, 'holds characters that cannot be stored');
/** What `by` says of who is no user. */
const reservedUsers = ['operator', 'turngate'];
const claims = z.object({
  // People are told who asks and who decided by this.
  sub: claimText
    .refine(isVisibleName, invisibleFault)
    .refine((sub) => !reservedUsers.includes(sub), 'is reserved'),
  tenant: claimText,
  email: claimText.nullish(),
  name: claimText.nullish(),
  jti: claimText.nullish(),
  // Other systems use this name in shapes of their own; those give no role here, and keep nobody out.
  roles: z.array(claimText).max(maxRoles).catch([]),
});

/**
 * Verifies tokens: HS256 with the configured secret, public-key algorithms with the key set. The token's own `alg`
 * only chooses between the two; neither key is ever used with an algorithm of the other.
 * @throws Error when neither a usable secret nor a key set is configured
 */
export function createTokenVerifier(
  config: AuthConfig,
  options: { timings?: Partial<KeySetTimings>; reportKeyFailure?(error: unknown): void } = {},
): VerifyToken {
  const keys =
    config.JWT_JWKS_URL === undefined
      ? null
      : openKeySet(
          config.JWT_JWKS_URL,
          { ...keySetTimings, ...options.timings },
          options.reportKeyFailure ?? (() => undefined),
        );
  const verify = signatureCheck(readSecret(config), keys);
  const { JWT_CLOCK_SKEW_MS: skewMs } = config;
  const asked: JWTVerifyOptions = {
    clockTolerance: skewMs / 1_000,
    ...(config.JWT_EXPIRY === 'required' ? { requiredClaims: ['exp'] } : {}),
    ...(config.JWT_ISSUER === undefined ? {} : { issuer: config.JWT_ISSUER }),
    ...(config.JWT_AUDIENCE === undefined ? {} : { audience: config.JWT_AUDIENCE }),
  };
  return async (token) => {
    const payload = await verify(token, asked).catch((error: unknown) => {
      throw refusal(error);
    });
    return identityOf(token, payload, skewMs);
  };
}

type SignatureCheck = (token: string, options: JWTVerifyOptions) => Promise<JWTPayload>;

function signatureCheck(secret: string | null, keys: JWTVerifyGetKey | null): SignatureCheck {
  const key = secret === null ? null : new TextEncoder().encode(secret);
  if (key === null && keys === null) {
    throw new Error(
      'Nothing is configured to check tokens with: set JWT_SECRET, JWT_SECRET_FILE (a file that holds it) or JWT_JWKS_URL.',
    );
  }
  return async (token, options) => {
    const { alg } = decodeProtectedHeader(token);
    if (alg === 'HS256' && key !== null) {
      return (await jwtVerify(token, key, { ...options, algorithms: ['HS256'] })).payload;
    }
    if (alg !== undefined && publicKeyAlgorithms.includes(alg) && keys !== null) {
      return (await jwtVerify(token, keys, { ...options, algorithms: [alg] })).payload;
    }
    throw new errors.JOSEAlgNotAllowed('its algorithm is not allowed here');
  };
}

function refusal(error: unknown): PublicError {
  if (error instanceof KeysUnavailable) {
    return new PublicError(
      'unavailable',
      'The keys that tokens are checked with cannot be read just now. Try again in a moment.',
    );
  }
  const why = error instanceof Error ? error.message : 'unreadable';
  return new PublicError('unauthorized', `The token is not accepted (${why}). Get a new one.`);
}

function identityOf(token: string, payload: JWTPayload, skewMs: number): Identity {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) {
    const { path = ['sub'], message = 'invalid' } = parsed.error.issues[0] ?? {};
    const words = `The token has no usable claim "${path.join('.')}": ${message}. Get a new one.`;
    throw new PublicError('unauthorized', words);
  }
  const { sub, tenant, email, name, jti, roles } = parsed.data;
  return {
    userId: sub,
    tenant,
    email: email ?? null,
    name: name ?? null,
    roles,
    tokenId: jti ?? hashOf(token),
    issuedAt: payload.iat === undefined ? null : payload.iat * 1_000,
    expiresAt: payload.exp === undefined ? null : Math.min(payload.exp * 1_000 + skewMs, lastMs),
  };
}

/** Without the signature: of one content there can be several good ones, and they are one token. */
function hashOf(token: string): string {
  return createHash('sha256')
    .update(token.slice(0, token.lastIndexOf('.')))
    .digest('base64url');
}

function readSecret(config: AuthConfig): string | null {
  if (config.JWT_SECRET !== undefined) return config.JWT_SECRET;
  if (config.JWT_SECRET_FILE === undefined) return null;
  const secret = readFileSync(config.JWT_SECRET_FILE, 'utf8').trim();
  if (secret.length < minSecretChars) {
    throw new Error(
      `The JWT secret in ${config.JWT_SECRET_FILE} is too short: it needs ${minSecretChars} characters.`,
    );
  }
  return secret;
}
