import { approversAmong, levelAt, missingApprovers, termsOf, whyUndecidable } from '../gate/approvers.ts';
import type { ApprovalDetails, ApprovalStatus, ApprovalsPage, ApprovalView } from '../protocol/approvals.ts';
import type { ApprovalOutcome, Participant, ParticipantRole } from '../protocol/frame-parts.ts';
import type { GateTerms } from '../protocol/gate-terms.ts';
import type { StandingDecision } from '../protocol/live-frames.ts';
import { readAudit } from './approval-audit.ts';
import type { Db } from './db.ts';
import { findVotes } from './gate-rows.ts';
import { readLateResults } from './late-results.ts';
import { type InboxList, type InboxRequest, readInbox } from './pages.ts';

type RowView = Omit<
  ApprovalView,
  'decision' | 'original_arguments' | 'tool_hash' | 'needed' | 'missing_approvers'
>;

interface ApprovalRow extends RowView {
  proposed_arguments: ApprovalView['arguments'] | null;
  tool_hash: string | null;
  terms: GateTerms | null;
  outcome: ApprovalOutcome | null;
  decided_by: string;
  decided_at: number;
  why: string | null;
  status: string;
  participants: Participant[];
}

const columns = `c.id as tool_call_id, c.session_id, s.title as session_title, c.turn_id, t.user_id as asked_by,
  c.tool, c.arguments, c.arguments_hash, c.proposed_arguments, c.tool_hash, c.rule, c.reason, c.round, c.level, c.terms,
  c.status, c.created_at as requested_at, c.expires_at,
  (select json_agg(json_build_object('user_id', a.user_id, 'role', a.role) order by a.user_id)
   from participants a where a.session_id = s.id) as participants`;
const calls = `join tool_calls c on c.session_id = s.id and c.gate = 'ask' join turns t on t.id = c.turn_id`;

const lists: Record<ApprovalStatus, Pick<InboxList, 'columns' | 'joins'>> = {
  pending: {
    columns: `${columns}, null as outcome, null as decided_by, null::timestamptz as decided_at, null as why`,
    joins: `${calls} and c.status = 'waiting'`,
  },
  resolved: {
    columns: `${columns}, d.decision as outcome, d.decided_by, d.decided_at, d.reason as why`,
    joins: `${calls} join decisions d on d.tool_call_id = c.id and d.round = c.round`,
  },
};

/** The approvals of all sessions in which the user may decide; see {@link readInbox}. */
export async function listApprovals(db: Db, request: InboxRequest): Promise<ApprovalsPage> {
  const list = {
    name: `list-approvals-${request.status}`,
    ...lists[request.status],
    id: 'c.id',
    bytes: 'pg_column_size(c.arguments)',
  };
  const { found, ...page } = await readInbox<ApprovalRow>(db, list, request);
  return { approvals: found.map(toView), ...page };
}

function toView(row: ApprovalRow): ApprovalView {
  const { proposed_arguments: proposed, tool_hash: toolHash, outcome, terms: kept, reason, rule } = row;
  const terms = termsOf({ terms: kept, rule });
  const gate = { terms, level: row.level, requesterId: row.asked_by };
  const isOpen = row.status === 'waiting';
  const undecidable = isOpen ? whyUndecidable(gate, row.participants) : null;
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
    reason: undecidable === null ? reason : `${reason} ${undecidable}`,
    requested_at: row.requested_at,
    expires_at: row.expires_at,
    round: row.round,
    level: row.level,
    needed: levelAt(terms, row.level).needed,
    missing_approvers: isOpen ? missingApprovers(gate, row.participants) : 0,
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
  policy_revision: string | null;
  description: string | null;
  schema: ApprovalDetails['schema'];
  role: ParticipantRole;
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
      text: `select ${columns}, c.policy_revision, f.description, f.input_schema as schema, p.role,
               d.decision as outcome, d.decided_by, d.decided_at, d.reason as why
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
