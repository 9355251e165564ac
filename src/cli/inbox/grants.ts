import type { GrantsPage } from '../../protocol/approvals.ts';
import type { InboxDeps, OutputOptions } from './approvals.ts';
import { pathOf } from './ask.ts';
import { agoText, safe } from './words.ts';

export async function listGrants(
  { ask, console }: InboxDeps,
  options: OutputOptions & { limit: string; before?: string },
): Promise<void> {
  const { limit, before } = options;
  const page = await ask<GrantsPage>('GET', pathOf('/v1/grants', { limit, before }));
  if (options.json) return console.print(JSON.stringify(page));
  if (page.grants.length === 0) console.tell('No approval is remembered.');
  for (const grant of page.grants) {
    const where = grant.scope === 'session' ? `in session ${grant.session_id}` : 'in every session';
    const who = `for ${safe(grant.for_user)}, by ${safe(grant.granted_by)} ${agoText(grant.granted_at)}`;
    console.print(`${grant.id}  ${safe(grant.tool)}  ${where}, ${who}, rule ${safe(grant.rule)}`);
  }
  if (page.next !== null) console.tell(`There is more: --before ${page.next}`);
}

export async function revokeGrant(
  { ask, console }: InboxDeps,
  id: string,
  options: OutputOptions,
): Promise<void> {
  await ask('DELETE', `/v1/grants/${encodeURIComponent(id)}`);
  if (!options.json) console.print('It is taken back: from the next call on people are asked again.');
}
