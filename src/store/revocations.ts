import type { ParticipantRole } from '../protocol/server-frames.ts';
import type { Db, Tx } from './db.ts';

/** What of a token a revocation can hit. */
export interface IssuedToken {
  tenant: string;
  userId: string;
  tokenId: string;
  /** Milliseconds since 1970; a token that does not say counts as issued before any revocation. */
  issuedAt: number | null;
}

/** $1 tenant, $2 token, $3 user, $4 issued at. */
const revoked = `(exists (select 1 from revoked_tokens where tenant = $1 and token_id = $2)
  or exists (select 1 from revoked_users where tenant = $1 and user_id = $3
             and issued_before > coalesce(to_timestamp($4::float8 / 1000), '-infinity')))`;
const valuesOf = (token: IssuedToken) => [token.tenant, token.tokenId, token.userId, token.issuedAt];

export async function isRevoked(db: Db, token: IssuedToken): Promise<boolean> {
  const { rows } = await db.query<{ revoked: boolean }>({
    name: 'is-revoked',
    text: `select ${revoked} as revoked`,
    values: valuesOf(token),
  });
  return rows[0]?.revoked ?? true;
}

/**
 * How somebody stands to a session now. Another tenant's session is `missing`: nobody learns that it exists.
 * `revoked` says that their token is.
 */
export type Standing = { role: ParticipantRole } | 'revoked' | 'missing' | 'denied';

/** {@link Standing}, in one round trip, for whoever comes to a session with a token. */
export async function readStanding(db: Db, token: IssuedToken, sessionId: string): Promise<Standing> {
  const { rows } = await db.query<{ revoked: boolean; found: boolean; role: ParticipantRole | null }>({
    name: 'read-standing',
    text: `select ${revoked} as revoked, s.id is not null as found, p.role
           from (select 1) as one
           left join sessions s on s.id = $5 and s.tenant = $1 and s.deleted_at is null
           left join participants p on p.session_id = s.id and p.user_id = $3`,
    values: [...valuesOf(token), sessionId],
  });
  const row = rows[0];
  if (!row || row.revoked) return 'revoked';
  if (!row.found) return 'missing';
  return row.role === null ? 'denied' : { role: row.role };
}

/** Makes one token void. Said again, it keeps the longer time. */
export async function revokeToken(
  tx: Tx,
  token: { tenant: string; tokenId: string; revokedBy: string; expiresAt: number | null },
): Promise<void> {
  await tx.query(
    `insert into revoked_tokens as r (tenant, token_id, revoked_by, expires_at)
     values ($1, $2, $3, to_timestamp($4::float8 / 1000))
     on conflict (tenant, token_id) do update set expires_at =
       case when r.expires_at is null or excluded.expires_at is null then null
            else greatest(r.expires_at, excluded.expires_at) end`,
    [token.tenant, token.tokenId, token.revokedBy, token.expiresAt],
  );
}

/** Makes all tokens of a user void that were issued before now. Answers that moment. */
export async function revokeUser(
  tx: Tx,
  user: { tenant: string; userId: string; revokedBy: string },
): Promise<number> {
  const { rows } = await tx.query<{ issued_before: number }>(
    `insert into revoked_users (tenant, user_id, issued_before, revoked_by) values ($1, $2, now(), $3)
     on conflict (tenant, user_id) do update
     set issued_before = greatest(revoked_users.issued_before, excluded.issued_before), revoked_by = excluded.revoked_by
     returning issued_before`,
    [user.tenant, user.userId, user.revokedBy],
  );
  return rows[0]?.issued_before ?? Date.now();
}

/** Forgets revocations of tokens that have expired, and a while longer for clocks that are off. */
export async function sweepRevocations(db: Db): Promise<void> {
  await db.query(`delete from revoked_tokens where expires_at < now() - interval '1 hour'`);
}
