import { openPool } from '../../store/db.ts';
import { listPolicyRevisions, readPolicyRevision } from '../../store/policy-revisions.ts';
import { StartFailure } from '../dev/start-failure.ts';

const listed = 50;

/**
 * `turngate policy show`: which revisions of the policy are on record, newest first; with a revision (or how it
 * begins), its text.
 * @throws StartFailure where there is no store, or no such revision
 */
export async function runShow(
  revision: string | undefined,
  env: NodeJS.ProcessEnv,
  print: (line: string) => void = console.log,
): Promise<void> {
  const connectionString = env.DATABASE_URL;
  if (!connectionString) {
    throw new StartFailure(
      'DATABASE_URL is not set; set it to the Postgres that Turngate stores its data in.',
    );
  }
  const db = openPool({
    connectionString,
    max: 1,
    applicationName: 'turngate-policy',
    onError: () => undefined,
  });
  try {
    if (revision !== undefined) {
      const found = await readPolicyRevision(db, revision);
      if (found === null)
        throw new StartFailure(`No revision of the policy that is on record begins with ${revision}.`);
      return print(found.text);
    }
    const revisions = await listPolicyRevisions(db, listed);
    for (const { revision: id, firstSeenAt, seenBy, fault } of revisions) {
      const state = fault === null ? '' : ` broken: ${fault}`;
      print(`${id} ${new Date(firstSeenAt).toISOString()} ${seenBy}${state}`);
    }
    if (revisions.length === 0)
      print('No revision of the policy is on record: no worker has decided anything yet.');
  } finally {
    await db.end();
  }
}
