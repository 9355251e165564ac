import type { ApprovalStatus, ApprovalsPage, ApprovalView } from '../protocol/approvals.ts';
import { rightHolders } from '../protocol/roles.ts';
import type { ApprovalOutcome, StandingDecision } from '../protocol/server-frames.ts';
import type { Db } from './db.ts';

/** Bytes of arguments in one page, as they are stored. One call alone may have more. */
const pageBytes = 1024 * 1024;

interface ApprovalRow extends Omit<ApprovalView, 'decision'> {
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
  c.tool, c.arguments, c.arguments_hash, c.rule, c.reason, c.created_at as requested_at, c.expires_at`;
const mine = `from participants p
  join sessions s on s.id = p.session_id and s.tenant = $1 and s.deleted_at is null
  join tool_calls c on c.session_id = s.id and c.gate = 'ask'
  join turns t on t.id = c.turn_id`;
const page = `p.user_id = $2 and p.role = any($5) and ($3::text is null or c.id < $3) order by c.id desc limit $4 + 1`;

const queries: Record<ApprovalStatus, string> = {
  pending: `${select}, null as outcome, null as decided_by, null::timestamptz as decided_at, null as why
    ${mine} where c.status = 'waiting' and ${page}`,
  resolved: `${select}, d.decision as outcome, d.decided_by, d.decided_at, d.reason as why
    ${mine} join decisions d on d.tool_call_id = c.id and d.arguments_hash = c.arguments_hash where ${page}`,
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

function toView(row: PageInfo & ApprovalRow): ApprovalView {
  const {
    last_seq: _,
    found: _found,
    place: _place,
    before: _before,
    outcome,
    decided_by,
    decided_at,
    why,
    ...call
  } = row;
  if (outcome === null) return { ...call, decision: null };
  const decision: StandingDecision = {
    tool_call_id: call.tool_call_id,
    decision: outcome,
    by: decided_by,
    at: decided_at,
    ...(why === null ? {} : { reason: why }),
  };
  return { ...call, decision };
}

/** The session of a tool call, if the user takes part in it. */
export async function sessionOfCall(
  db: Db,
  call: { toolCallId: string; tenant: string; userId: string },
): Promise<string | null> {
  const { rows } = await db.query<{ session_id: string }>({
    name: 'session-of-call',
    text: `select c.session_id from tool_calls c
           join sessions s on s.id = c.session_id and s.tenant = $2 and s.deleted_at is null
           join participants p on p.session_id = s.id and p.user_id = $3
           where c.id = $1`,
    values: [call.toolCallId, call.tenant, call.userId],
  });
  return rows[0]?.session_id ?? null;
}
