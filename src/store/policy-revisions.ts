import type { Db } from './db.ts';

/** A text of the policy file, on record. */
export interface PolicyRevision {
  /** SHA-256 (hex) of the file's bytes. */
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
