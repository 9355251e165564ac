import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { parseDurationMs } from '../protocol/duration.ts';
import { jwtSecretFile, readSecret } from './dev/secrets.ts';
import { StartFailure } from './dev/start-failure.ts';

export interface TokenClaims {
  user: string;
  tenant: string;
  name?: string;
  email?: string;
  roles?: string[];
  /** Seconds until the token expires. */
  ttlSeconds: number;
  issuer?: string;
  audience?: string;
}

/**
 * Reads `90s`, `15m`, `12h` or `30d`.
 * @returns seconds
 */
export function parseDurationSeconds(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === null) {
    throw new StartFailure(`"${text}" is no duration; write a number and s, m, h or d, such as 12h or 30d.`);
  }
  return ms / 1_000;
}

/** Signs a JWT (HS256) as the gateway checks it. */
export async function signToken(secret: string, claims: TokenClaims): Promise<string> {
  const { user, tenant, name, email, roles, ttlSeconds, issuer, audience } = claims;
  const now = Math.floor(Date.now() / 1_000);
  const token = new SignJWT({
    tenant,
    ...(name === undefined ? {} : { name }),
    ...(email === undefined ? {} : { email }),
    ...(roles === undefined ? {} : { roles }),
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(user)
    // So that it can be revoked by name.
    .setJti(randomUUID())
    .setIssuedAt(now)
    .setExpirationTime(now + ttlSeconds);
  if (issuer) token.setIssuer(issuer);
  if (audience) token.setAudience(audience);
  return await token.sign(new TextEncoder().encode(secret));
}

export interface TokenOptions {
  user: string;
  tenant: string;
  ttl: string;
  name?: string;
  email?: string;
  role?: string[];
  data: string;
}

/** `turngate token`: prints a token that the gateway of this data folder accepts. */
export async function runToken(
  options: TokenOptions,
  env: NodeJS.ProcessEnv,
  print: (line: string) => void = console.log,
): Promise<void> {
  const { user, tenant, name, email, role } = options;
  const ttlSeconds = parseDurationSeconds(options.ttl);
  const secret = readSecret(jwtSecretFile(options.data));
  if (secret === undefined) {
    throw new StartFailure(
      `There is no secret in ${jwtSecretFile(options.data)}; run \`turngate dev\` once, or name its folder with --data.`,
    );
  }
  const issued = await signToken(secret, {
    user,
    tenant,
    ttlSeconds,
    ...(name === undefined ? {} : { name }),
    ...(email === undefined ? {} : { email }),
    ...(role === undefined ? {} : { roles: role }),
    ...(env.JWT_ISSUER ? { issuer: env.JWT_ISSUER } : {}),
    ...(env.JWT_AUDIENCE ? { audience: env.JWT_AUDIENCE } : {}),
  });
  print(issued);
}
