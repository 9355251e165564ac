import type { ParticipantRole } from '../protocol/frame-parts.ts';
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

/** {@link Standing} of many at once, by an id of the caller's; who is in no session needs only a good token. */
export async function readStandings(
  db: Db,
  holders: (IssuedToken & { id: string; sessionId: string | null })[],
): Promise<Map<string, Standing>> {
  const { rows } = await db.query<{
    id: string;
    unfit: Exclude<Standing, object> | null;
    role: ParticipantRole;
  }>({
    name: 'read-standings',
    text: `select h.id, coalesce(p.role, 'viewer') as role, case
             when t.token_id is not null or u.user_id is not null then 'revoked'
             when h.session_id is null then null
             when s.id is null then 'missing'
             when p.role is null then 'denied' end as unfit
           from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[])
             as h(id, session_id, tenant, user_id, token_id, issued_at)
           left join revoked_tokens t on t.tenant = h.tenant and t.token_id = h.token_id
           left join revoked_users u on u.tenant = h.tenant and u.user_id = h.user_id
             and u.issued_before > coalesce(to_timestamp(h.issued_at / 1000), '-infinity')
           left join sessions s on s.id = h.session_id and s.tenant = h.tenant and s.deleted_at is null
           left join participants p on p.session_id = s.id and p.user_id = h.user_id`,
    values: [
      holders.map(({ id }) => id),
      holders.map(({ sessionId }) => sessionId),
      holders.map(({ tenant }) => tenant),
      holders.map(({ userId }) => userId),
      holders.map(({ tokenId }) => tokenId),
      holders.map(({ issuedAt }) => issuedAt),
    ],
  });
  return new Map(rows.map(({ id, unfit, role }) => [id, unfit ?? { role }]));
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
