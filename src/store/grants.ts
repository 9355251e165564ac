import { v7 as uuidv7 } from 'uuid';
import { mayDecide } from '../gate/approvers.ts';
import type { GrantsPage, GrantView } from '../protocol/approvals.ts';
import { PublicError } from '../protocol/errors.ts';
import type { ParticipantRole } from '../protocol/frame-parts.ts';
import type { GateTerms } from '../protocol/gate-terms.ts';
import { writeAudit } from './approval-audit.ts';
import { type Db, type Tx, transaction } from './db.ts';
import type { GateRow } from './gate-rows.ts';
import { type PageRequest, pageOf } from './pages.ts';

/** Remembers an approval, bound to the tool as it is, the rule and the revision of the policy. */
export async function giveGrant(
  tx: Tx,
  grant: { row: GateRow; scope: 'session' | 'always'; by: string },
): Promise<string> {
  const { row, scope, by } = grant;
  const id = uuidv7();
  await tx.query({
    name: 'give-grant',
    text: `insert into grants (id, tenant, scope, session_id, for_user, granted_by, tool, tool_hash, rule, terms_hash,
             policy_revision, tool_call_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    values: [
      id,
      row.tenant,
      scope,
      row.session_id,
      row.requester_id,
      by,
      row.tool,
      row.tool_hash,
      row.rule,
      row.terms_hash,
      row.policy_revision,
      row.id,
    ],
  });
  return id;
}

/** What a call is about to run as: a grant is for exactly this. */
export interface GrantedCall {
  sessionId: string;
  requesterId: string;
  terms: GateTerms;
  termsHash: string;
  toolHash: string;
  policyRevision: string;
  /** The one it was let through by, which goes before others as long as it stands. */
  grantId?: string | null;
}

export interface StandingGrant {
  id: string;
  scope: 'session' | 'always';
  grantedBy: string;
  grantedAt: number;
}

/**
 * A remembered approval that this call may run under. Its giver must be somebody who could approve the call itself,
 * now and here: who left, or whom the rule names no more, has no say by what they once allowed.
 */
export async function findGrant(tx: Tx, call: GrantedCall): Promise<StandingGrant | null> {
  if (call.terms.remember === 'once' || (call.terms.levels[0]?.needed ?? 1) > 1) return null;
  const { rows } = await tx.query<StandingGrant & { role: ParticipantRole }>({
    name: 'find-grant',
    text: `select g.id, g.scope, g.granted_by as "grantedBy", g.granted_at as "grantedAt", p.role
           from sessions s join grants g on g.tenant = s.tenant
           join participants p on p.session_id = s.id and p.user_id = g.granted_by
           where s.id = $1 and g.for_user = $2 and g.tool_hash = $3 and g.terms_hash = $4 and g.policy_revision = $5
             and g.revoked_at is null and (g.scope = 'always' or g.session_id = $1)
           order by g.id is distinct from $6, g.id`,
    values: [
      call.sessionId,
      call.requesterId,
      call.toolHash,
      call.termsHash,
      call.policyRevision,
      call.grantId ?? null,
    ],
  });
  const gate = { terms: call.terms, level: 0, requesterId: call.requesterId };
  const found = rows.find(({ grantedBy: userId, role }) => mayDecide(gate, { userId, role }));
  if (!found) return null;
  const { role: _, ...grant } = found;
  return grant;
}

/** On record: this call is let through by what somebody allowed before. */
export async function auditGrantedRun(
  tx: Tx,
  grant: StandingGrant,
  call: {
    sessionId: string;
    toolCallId: string;
    rule: string;
    argumentsHash: string;
    toolHash: string | null;
  },
): Promise<void> {
  const { sessionId, toolCallId, rule, argumentsHash, toolHash } = call;
  await writeAudit(tx, {
    sessionId,
    toolCallId,
    actor: grant.grantedBy,
    via: 'policy',
    action: 'ran_under_grant',
    body: { grant_id: grant.id, rule, arguments_hash: argumentsHash, tool_hash: toolHash },
  });
}

/** The grants that stand and that the user gave, or that are for their calls. */
export async function listGrants(
  db: Db,
  request: PageRequest & { tenant: string; userId: string },
): Promise<GrantsPage> {
  const { rows } = await db.query<GrantView>({
    name: 'list-grants',
    text: `select id, scope, session_id, for_user, granted_by, tool, tool_hash, rule, policy_revision, tool_call_id,
             granted_at
           from grants where tenant = $1 and (granted_by = $2 or for_user = $2) and revoked_at is null
             and ($4::text is null or id < $4) order by id desc limit $3 + 1`,
    values: [request.tenant, request.userId, request.limit, request.before ?? null],
  });
  const { shown: grants, next } = pageOf(rows, request.limit, ({ id }) => id);
  return { grants, next };
}

/**
 * Takes a grant back: from the next call on it is asked about again, also where the call has been let through and has
 * not begun. Taking it back again changes nothing.
 * @throws PublicError `not_found` (none that this user gave, or that is for their calls)
 */
export async function revokeGrant(
  db: Db,
  who: { tenant: string; userId: string; grantId: string; via: string; address: string | null },
): Promise<void> {
  await transaction(db, async (tx) => {
    const { rows } = await tx.query<{ session_id: string; tool_call_id: string; revoked: boolean }>({
      name: 'find-grant-to-revoke',
      text: `select session_id, tool_call_id, revoked_at is not null as revoked from grants
             where id = $1 and tenant = $2 and (granted_by = $3 or for_user = $3) for update`,
      values: [who.grantId, who.tenant, who.userId],
    });
    const grant = rows[0];
    if (!grant)
      throw new PublicError('not_found', 'There is no such grant that you gave or that is for you.');
    if (grant.revoked) return;
    await tx.query({
      name: 'revoke-grant',
      text: 'update grants set revoked_at = now(), revoked_by = $2 where id = $1',
      values: [who.grantId, who.userId],
    });
    await writeAudit(tx, {
      sessionId: grant.session_id,
      toolCallId: grant.tool_call_id,
      actor: who.userId,
      via: who.via,
      address: who.address,
      action: 'grant_revoked',
      body: { grant_id: who.grantId },
    });
  });
}
