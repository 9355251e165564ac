import type { GrantsPage, GrantView } from '../../protocol/approvals.ts';
import type { InboxDeps, OutputOptions } from './deps.ts';
import { type PageOptions, printPage } from './page.ts';
import { agoText, safe } from './words.ts';

export function listGrants(deps: InboxDeps, options: PageOptions): Promise<void> {
  return printPage(deps, options, {
    path: '/v1/grants',
    itemsOf: ({ grants }: GrantsPage) => grants,
    textOf: grantLine,
    none: 'No approval is remembered.',
  });
}

function grantLine(grant: GrantView): string {
  const where = grant.scope === 'session' ? `in session ${grant.session_id}` : 'in every session';
  const who = `for ${safe(grant.for_user)}, by ${safe(grant.granted_by)} ${agoText(grant.granted_at)}`;
  return `${grant.id}  ${safe(grant.tool)}  ${where}, ${who}, rule ${safe(grant.rule)}`;
}

export async function revokeGrant(
  { ask, console }: InboxDeps,
  id: string,
  options: OutputOptions,
): Promise<void> {
  await ask('DELETE', `/v1/grants/${encodeURIComponent(id)}`);
  if (!options.json) console.print('It is taken back: from the next call on people are asked again.');
}
