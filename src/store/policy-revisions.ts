import type { Db } from './db.ts';

/** A text of the policy file, on record. */
export interface PolicyRevision {
  /** SHA-256 (hex) of the file's bytes and the default server. */
  revision: string;
  text: string;
  /** Why it cannot be used; null where it can. */
  fault: string | null;
  /** Which worker saw it: host:pid. */
  seenBy: string;
}

/**
 * Puts a revision on record; the first worker that saw it stands.
 * @returns whether this was the first
 */
export async function recordPolicyRevision(db: Db, seen: PolicyRevision): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'record-policy-revision',
    text: `insert into policy_revisions (revision, text, fault, seen_by) values ($1, $2, $3, $4)
           on conflict (revision) do nothing`,
    values: [seen.revision, seen.text, seen.fault, seen.seenBy],
  });
  return rowCount === 1;
}

const columns = 'revision, text, fault, seen_by as "seenBy", first_seen_at as "firstSeenAt"';

/** Those first seen last come first. @param limit how many at most */
export async function listPolicyRevisions(
  db: Db,
  limit: number,
): Promise<(PolicyRevision & { firstSeenAt: number })[]> {
  const { rows } = await db.query<PolicyRevision & { firstSeenAt: number }>(
    `select ${columns} from policy_revisions order by first_seen_at desc, revision limit $1`,
    [limit],
  );
  return rows;
}

/** The newest revision that begins with these characters; null where none does. */
export async function readPolicyRevision(db: Db, prefix: string): Promise<PolicyRevision | null> {
  const { rows } = await db.query<PolicyRevision>(
    `select ${columns} from policy_revisions where starts_with(revision, $1)
     order by first_seen_at desc limit 1`,
    [prefix],
  );
  return rows[0] ?? null;
}
