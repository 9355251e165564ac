import { PublicError } from '../protocol/errors.ts';
import { feedId } from '../protocol/feed-id.ts';
import { notTakingPart } from '../protocol/roles.ts';
import type { Db } from '../store/db.ts';
import { sessionAccess } from '../store/sessions.ts';
import type { Identity } from './auth.ts';
import type { Caller } from './commands.ts';
import type { HttpCall } from './http-call.ts';
import { sessionIdOf } from './session-id.ts';

/**
 * The id of the session in the path, where the caller takes part in it.
 * @throws PublicError `not_found`, `forbidden`
 */
export async function allowedSession(db: Db, call: HttpCall, identity: Identity): Promise<string> {
  const sessionId = await sessionIdOf(db, identity, call.id);
  if (sessionId === null) throw noSession();
  const access = await sessionAccess(db, { sessionId, tenant: identity.tenant, userId: identity.userId });
  if (access === 'missing') throw noSession();
  if (access === 'denied') throw notTakingPart();
  return sessionId;
}

export async function callerOf(db: Db, call: HttpCall, identity: Identity): Promise<Caller> {
  const sessionId = await allowedSession(db, call, identity);
  return { sessionId, userId: identity.userId, via: 'http', address: call.address };
}

/** Who asks over their feed: of whichever of their sessions it is about. */
export function feedCallerOf(call: HttpCall, { tenant, userId }: Identity): Caller {
  return { sessionId: feedId(tenant, userId), userId, via: 'http', address: call.address };
}

export function noSession(): PublicError {
  return new PublicError('not_found', 'There is no such session.');
}
