import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { signToken } from '../../src/cli/token.ts';
import type { DevRun } from './dev.ts';

/** A token of somebody else for a `turngate dev`, of the tenant of its own one. */
export function devToken(run: DevRun, user: string): Promise<string> {
  const secret = readFileSync(join(run.data, 'jwt-secret'), 'utf8').trim();
  const { tenant } = decodeJwt(run.info().token);
  return signToken(secret, { user, tenant: String(tenant), name: user, ttlSeconds: 3_600 });
}
