/**
 * The name of a user's feed where sessions have their ids: on the live plane and in the gateway's hubs. Encoded,
 * because tenants and users may hold colons; no session's id begins so.
 */
export function feedId(tenant: string, userId: string): string {
  return `feed:${encodeURIComponent(tenant)}:${encodeURIComponent(userId)}`;
}

/** Whose feed it is; null for what is no feed's name. */
export function feedOwner(id: string): { tenant: string; userId: string } | null {
  const [kind, tenant, userId, ...rest] = id.split(':');
  if (kind !== 'feed' || tenant === undefined || userId === undefined || rest.length > 0) return null;
  return { tenant: decodeURIComponent(tenant), userId: decodeURIComponent(userId) };
}
