import { PublicError } from '../protocol/errors.ts';
import {
  createTicketBody,
  revocationBody,
  revocationView,
  ticketView,
} from '../protocol/http-credentials.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import { valid } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import type { Revoker } from './revoker.ts';
import { requireService } from './service-role.ts';

const whenOthers = 'Revoking what is not yours';

const about = {
  ticket: {
    summary: 'A ticket that opens one WebSocket within 30 s, for clients that can send no header.',
    body: createTicketBody,
    answers: { 201: ticketView },
  },
  revoke: {
    summary:
      'Revokes your own token (signs out), another one, or all that a user has; closes their connections.',
    body: revocationBody,
    answers: { 200: revocationView },
  },
} satisfies Record<string, RouteDescription>;

/** `/v1/tickets` and `/v1/revocations`. */
export function serveCredentials(
  router: HttpRouter,
  deps: { gatekeeper: Gatekeeper; revoker: Revoker },
): void {
  const { gatekeeper, revoker } = deps;

  router.post('/v1/tickets', about.ticket, async (call, identity) => {
    const { session_id } = valid(createTicketBody, await call.body());
    const { ticket, expiresAt } = await gatekeeper.issueTicket(identity, session_id ?? null);
    return { status: 201, body: { ticket, expires_at: expiresAt } };
  });

  router.post('/v1/revocations', about.revoke, async (call, identity) => {
    const { token_id, user_id, expires_at } = valid(revocationBody, await call.body());
    if (token_id !== undefined && user_id !== undefined) {
      throw new PublicError('validation_error', 'Name a token_id or a user_id, not both.');
    }
    const by = { tenant: identity.tenant, revokedBy: identity.userId };
    if (user_id !== undefined) {
      if (user_id !== identity.userId) requireService(identity, whenOthers);
      const issuedBefore = await revoker.revokeUser({ ...by, userId: user_id });
      return { status: 200, body: { user_id, issued_before: issuedBefore } };
    }
    const isOwn = token_id === undefined || token_id === identity.tokenId;
    if (!isOwn) requireService(identity, whenOthers);
    const tokenId = token_id ?? identity.tokenId;
    const expiresAt = isOwn ? identity.expiresAt : (expires_at ?? null);
    await revoker.revokeToken({ ...by, tokenId, expiresAt });
    return { status: 200, body: { token_id: tokenId } };
  });
}
