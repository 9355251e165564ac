import { PublicError } from '../protocol/errors.ts';
import type { Identity } from './auth.ts';

/** The role of a token that a backend of the deployment has. */
const serviceRole = 'service';

/**
 * @param what what is asked for, as the beginning of a sentence
 * @throws PublicError `forbidden` where the token is not a backend's
 */
export function requireService(identity: Pick<Identity, 'roles'>, what: string): void {
  if (identity.roles.includes(serviceRole)) return;
  throw new PublicError('forbidden', `${what} needs a token with the role "${serviceRole}" (claim "roles").`);
}
