import { withClient } from '../src/cli/dev/postgres.ts';

/** The id of the n-th session that the bench wrote itself; as text it is like any other. */
export function numberedSessionId(index: number): string {
  return `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`;
}

/** Writes sessions of the bench's user, in one statement: through the API fifteen thousand would take minutes. */
export async function writeNumberedSessions(
  databaseUrl: string,
  user: BenchUser,
  { from, count }: { from: number; count: number },
): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    await client.query(
      `with made as (
         insert into sessions (id, tenant, title, agent)
         select '00000000-0000-7000-8000-' || lpad(n::text, 12, '0'), $1, '', 'default' from generate_series($3::int, $3::int + $4::int - 1) n
         on conflict do nothing returning id
       ) insert into participants (session_id, user_id, role) select id, $2, 'owner' from made`,
      [user.tenant, user.id, from, count],
    );
    await client.query('analyze sessions');
    await client.query('analyze participants');
  });
}

export interface BenchUser {
  id: string;
  tenant: string;
}

/** Whom a token is of; it is ours, so its claims are believed. */
export function userOf(token: string): BenchUser {
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  const { sub, tenant } = claims as { sub: string; tenant: string };
  return { id: sub, tenant };
}
