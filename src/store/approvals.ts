import { approversAmong, levelAt, termsOf } from '../gate/approvers.ts';
import type { ApprovalDetails, ApprovalStatus, ApprovalsPage, ApprovalView } from '../protocol/approvals.ts';
import type { GateTerms } from '../protocol/gate-terms.ts';
import { rightHolders } from '../protocol/roles.ts';
import type {
  ApprovalOutcome,
  Participant,
  ParticipantRole,
  StandingDecision,
} from '../protocol/server-frames.ts';
import { readAudit } from './approval-audit.ts';
import type { Db } from './db.ts';
import { findVotes } from './gate-rows.ts';
import { readLateResults } from './late-results.ts';

/** Bytes of arguments in one page, as they are stored. One call alone may have more. */
const pageBytes = 1024 * 1024;

interface ApprovalRow extends Omit<ApprovalView, 'decision' | 'original_arguments' | 'tool_hash' | 'needed'> {
  proposed_arguments: ApprovalView['arguments'] | null;
  tool_hash: string | null;
  terms: GateTerms | null;
  outcome: ApprovalOutcome | null;
  decided_by: string;
  decided_at: number;
  why: string | null;
}

/** Of the page, on each of its rows; `found` counts one more than fit, where there are more. */
interface PageInfo {
  last_seq: number;
  found: number | null;
  place: number | null;
  before: number | null;
}

const select = `select c.id as tool_call_id, c.session_id, s.title as session_title, c.turn_id, t.user_id as asked_by,
  c.tool, c.arguments, c.arguments_hash, c.proposed_arguments, c.tool_hash, c.rule, c.reason, c.round, c.level, c.terms,
  c.created_at as requested_at, c.expires_at`;
const mine = `from participants p
  join sessions s on s.id = p.session_id and s.tenant = $1 and s.deleted_at is null
  join tool_calls c on c.session_id = s.id and c.gate = 'ask'
  join turns t on t.id = c.turn_id`;
const page = `p.user_id = $2 and p.role = any($5) and ($3::text is null or c.id < $3) order by c.id desc limit $4 + 1`;

const queries: Record<ApprovalStatus, string> = {
  pending: `${select}, null as outcome, null as decided_by, null::timestamptz as decided_at, null as why
    ${mine} where c.status = 'waiting' and ${page}`,
  resolved: `${select}, d.decision as outcome, d.decided_by, d.decided_at, d.reason as why
    ${mine} join decisions d on d.tool_call_id = c.id and d.round = c.round where ${page}`,
};

/**
 * The approvals of all sessions in which the user may decide, also of runs that are long closed, and where the user's
 * feed is: one statement, hence one snapshot. What changes after it, the feed tells after that `seq`.
 * @param request.before the `tool_call_id` of the last one seen
 */
export async function listApprovals(
  db: Db,
  request: {
    tenant: string;
    userId: string;
    status: ApprovalStatus;
    limit: number;
    before?: string | undefined;
  },
): Promise<ApprovalsPage> {
  const { tenant, userId, status, limit, before } = request;
  const { rows } = await db.query<PageInfo & (ApprovalRow | { tool_call_id: null })>({
    name: `list-approvals-${status}`,
    text: `select f.last_seq, a.* from (
             select coalesce((select last_seq from feeds where tenant = $1 and user_id = $2), 0) as last_seq) f
           left join lateral (
             select found.*, count(*) over () as found, row_number() over newest as place,
               sum(pg_column_size(arguments)) over newest - pg_column_size(arguments) as before
             from (${queries[status]}) found window newest as (order by tool_call_id desc)
           ) a on a.place <= $4 and a.before < $6 order by a.tool_call_id desc`,
    values: [tenant, userId, before ?? null, limit, rightHolders.decide, pageBytes],
  });
  const approvals = rows.flatMap((row) => (row.tool_call_id === null ? [] : [toView(row)]));
  const hasMore = approvals.length < (rows[0]?.found ?? 0);
  const next = hasMore ? (approvals.at(-1)?.tool_call_id ?? null) : null;
  return { approvals, last_seq: rows[0]?.last_seq ?? 0, next };
}

function toView(row: ApprovalRow): ApprovalView {
  const { proposed_arguments: proposed, tool_hash: toolHash, outcome, terms: kept, reason, rule } = row;
  const terms = termsOf({ terms: kept, rule });
  return {
    tool_call_id: row.tool_call_id,
    session_id: row.session_id,
    session_title: row.session_title,
    turn_id: row.turn_id,
    asked_by: row.asked_by,
    tool: row.tool,
    arguments: row.arguments,
    arguments_hash: row.arguments_hash,
    ...(proposed === null ? {} : { original_arguments: proposed }),
    ...(toolHash === null ? {} : { tool_hash: toolHash }),
    rule,
    reason,
    requested_at: row.requested_at,
    expires_at: row.expires_at,
    round: row.round,
    level: row.level,
    needed: levelAt(terms, row.level).needed,
    decision: outcome === null ? null : toDecision(row, outcome),
  };
}

function toDecision(row: ApprovalRow, outcome: ApprovalOutcome): StandingDecision {
  return {
    tool_call_id: row.tool_call_id,
    decision: outcome,
    by: row.decided_by,
    at: row.decided_at,
    ...(row.why === null ? {} : { reason: row.why }),
    ...(row.proposed_arguments === null || outcome !== 'approved' ? {} : { arguments: row.arguments }),
  };
}

interface DetailRow extends ApprovalRow {
  status: string;
  policy_revision: string | null;
  description: string | null;
  schema: ApprovalDetails['schema'];
  role: ParticipantRole;
  participants: Participant[];
}

/**
 * All that is known of one call's approval, for whoever takes part in its session; also long after.
 * @returns null where there is none for them
 */
export async function readApproval(
  db: Db,
  who: { toolCallId: string; tenant: string; userId: string },
): Promise<ApprovalDetails | null> {
  const [{ rows }, votes, audit, late] = await Promise.all([
    db.query<DetailRow>({
      name: 'read-approval',
      text: `${select}, c.status, c.policy_revision, f.description, f.input_schema as schema, p.role,
               d.decision as outcome, d.decided_by, d.decided_at, d.reason as why,
               (select json_agg(json_build_object('user_id', a.user_id, 'role', a.role) order by a.user_id)
                from participants a where a.session_id = s.id) as participants
             from tool_calls c join turns t on t.id = c.turn_id
             join sessions s on s.id = c.session_id and s.tenant = $2 and s.deleted_at is null
             join participants p on p.session_id = s.id and p.user_id = $3
             left join tool_definitions f on f.hash = c.tool_hash
             left join decisions d on d.tool_call_id = c.id and d.round = c.round
             where c.id = $1`,
      values: [who.toolCallId, who.tenant, who.userId],
    }),
    findVotes(db, who.toolCallId),
    readAudit(db, who.toolCallId),
    readLateResults(db, who.toolCallId),
  ]);
  const row = rows[0];
  if (!row) return null;
  const terms = termsOf(row);
  const gate = { terms, level: row.level, requesterId: row.asked_by };
  const approvers = approversAmong(gate, row.participants);
  return {
    ...toView(row),
    description: row.description,
    schema: row.schema,
    approvers,
    may_decide: approvers.includes(who.userId),
    remember: levelAt(terms, row.level).needed > 1 ? 'once' : terms.remember,
    votes: votes.map(({ user_id, at }) => ({ user_id, at })),
    status: row.status,
    policy_revision: row.policy_revision,
    audit,
    late_results: late,
  };
}
