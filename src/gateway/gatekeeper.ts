import { PublicError } from '../protocol/errors.ts';
import type { Db } from '../store/db.ts';
import { isRevoked } from '../store/revocations.ts';
import { issueTicket, redeemTicket } from '../store/tickets.ts';
import type { Identity, VerifyToken } from './auth.ts';
import type { Credentials } from './credentials.ts';
import { refusalOf } from './standing.ts';

/** A ticket is for the connection that is opened next, not for keeping. */
const ticketLifeMs = 30_000;

/** Knows who somebody is, by whatever they bring. Everybody who lets somebody in asks here. */
export class Gatekeeper {
  readonly #db: Db;
  readonly #verifyToken: VerifyToken;

  constructor(deps: { db: Db; verifyToken: VerifyToken }) {
    this.#db = deps.db;
    this.#verifyToken = deps.verifyToken;
  }

  /**
   * Whose token this is.
   * @throws PublicError `unauthorized` (not good, expired or revoked), `unavailable` (keys cannot be read)
   */
  async byToken(token: string): Promise<Identity> {
    const identity = await this.#verifyToken(token);
    if (await isRevoked(this.#db, identity)) throw refusalOf('unauthorized');
    return identity;
  }

  /**
   * Who brings these to a socket of a session, or (null) of the feed. Whether their token has been revoked is not asked here but by
   * `readStanding`, in one round trip with their role. A ticket is used up, whatever follows.
   * @throws PublicError as {@link byToken} does
   */
  async byCredentials({ token, ticket }: Credentials, sessionId: string | null): Promise<Identity> {
    if (ticket !== null) return this.#byTicket(ticket, sessionId);
    if (token !== null) return this.#verifyToken(token);
    throw new PublicError('unauthorized', 'Neither a token nor a ticket was sent.');
  }

  /**
   * A ticket for this holder of a token; it ends with the token at the latest.
   * @param sessionId the name in the path that it is good for; null: any
   */
  issueTicket(identity: Identity, sessionId: string | null): Promise<{ ticket: string; expiresAt: number }> {
    const left = identity.expiresAt === null ? ticketLifeMs : identity.expiresAt - Date.now();
    return issueTicket(this.#db, { identity, sessionId, lifeMs: Math.max(0, Math.min(ticketLifeMs, left)) });
  }

  async #byTicket(ticket: string, sessionId: string | null): Promise<Identity> {
    const found = await redeemTicket(this.#db, ticket);
    if (!found) throw new PublicError('unauthorized', 'The ticket is used, too old, or never was.');
    if (found.sessionId !== null && found.sessionId !== sessionId) {
      throw new PublicError('unauthorized', 'The ticket is for another session.');
    }
    // What `issueTicket` wrote, in this version or another that runs beside it.
    return found.identity as Identity;
  }
}
