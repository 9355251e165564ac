import { createHash, randomBytes } from 'node:crypto';
import type { Db } from './db.ts';

const ticketBytes = 32;

/** Of a ticket only this is kept: who reads the store can use none. */
const hashOf = (ticket: string): Buffer => createHash('sha256').update(ticket).digest();

/**
 * Makes a ticket that lets its holder in once.
 * @param ticket.identity what the gateway knows of them; it comes back as it is
 * @param ticket.sessionId the only session that it is good for; null: any
 * @returns the ticket, 43 characters that need no quoting in a URL, and when it ends
 */
export async function issueTicket(
  db: Db,
  ticket: { identity: object; sessionId: string | null; lifeMs: number },
): Promise<{ ticket: string; expiresAt: number }> {
  const text = randomBytes(ticketBytes).toString('base64url');
  const { rows } = await db.query<{ expires_at: number }>({
    name: 'issue-ticket',
    text: `insert into tickets (hash, identity, session_id, expires_at)
           values ($1, $2, $3, now() + make_interval(secs => $4 / 1000.0)) returning expires_at`,
    values: [hashOf(text), JSON.stringify(ticket.identity), ticket.sessionId, ticket.lifeMs],
  });
  return { ticket: text, expiresAt: rows[0]?.expires_at ?? 0 };
}

/**
 * Takes a ticket: of any number of askers, on whichever gateways, one gets it.
 * @returns null for one that never was, is used or is over
 */
export async function redeemTicket(
  db: Db,
  ticket: string,
): Promise<{ identity: unknown; sessionId: string | null } | null> {
  const { rows } = await db.query<{ identity: unknown; session_id: string | null; is_over: boolean }>({
    name: 'redeem-ticket',
    text: `delete from tickets where hash = $1
           returning identity, session_id, expires_at <= now() as is_over`,
    values: [hashOf(ticket)],
  });
  const row = rows[0];
  return row && !row.is_over ? { identity: row.identity, sessionId: row.session_id } : null;
}

/** Removes tickets that nobody used in time. */
export async function sweepTickets(db: Db): Promise<void> {
  await db.query('delete from tickets where expires_at <= now()');
}
