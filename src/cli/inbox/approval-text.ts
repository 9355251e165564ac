import type { ApprovalDetails, ApprovalView } from '../../protocol/approvals.ts';
import type { StandingDecision } from '../../protocol/live-frames.ts';
import { agoText, expiryText, longJson, safe, shortJson } from './words.ts';

/** Two lines for a list. */
export function approvalLines(view: ApprovalView): string {
  const waits = view.decision ? decisionText(view.decision) : expiryText(view.expires_at);
  const where = `${safe(view.asked_by)} in "${safe(view.session_title)}", asked ${agoText(view.requested_at)}`;
  const missing = view.missing_approvers === 0 ? '' : `, ${missingText(view.missing_approvers)}`;
  return `${view.tool_call_id}  ${safe(view.tool)}  ${where}, ${waits}${missing}\n    ${shortJson(view.arguments)}`;
}

function missingText(count: number): string {
  return count === 1 ? '1 approver is missing' : `${count} approvers are missing`;
}

/** Who decided what, when and why. */
export function decisionText(decision: StandingDecision): string {
  const why = decision.reason === undefined ? '' : `: "${safe(decision.reason)}"`;
  return `${decision.decision} by ${safe(decision.by)} ${agoText(decision.at)}${why}`;
}

const most = { session: 'for this session', always: 'for good' };

/** Everything about one, for whoever decides by it. */
export function approvalText(details: ApprovalDetails): string {
  const { decision, original_arguments: original, missing_approvers: missing } = details;
  const lines: [string, string | null][] = [
    ['Tool', safe(details.tool)],
    ['', details.description === null ? null : `"${safe(details.description)}"`],
    ['Call', details.tool_call_id],
    ['Asked by', `${safe(details.asked_by)}, ${agoText(details.requested_at)}`],
    ['Session', `"${safe(details.session_title)}" (${details.session_id})`],
    ['Rule', `${safe(details.rule)}: ${safe(details.reason)}`],
    ['Approvers', details.approvers.map(safe).join(', ') || 'nobody'],
    ['Needed', details.needed === 1 ? null : `${details.needed}, so far ${votesText(details)}`],
    ['Missing', missing === 0 ? null : `${missingText(missing)}: an owner can let them in`],
    ['Asked', details.round === 1 ? null : `${details.round} times, escalated ${details.level} times`],
    ['State', decision === null ? expiryText(details.expires_at) : decisionText(decision)],
    ['Remember', details.remember === 'once' ? null : `${most[details.remember]} at most (--remember)`],
    ['You', decision !== null || details.may_decide ? null : 'may see it, but not decide'],
    ['Arguments', longJson(details.arguments)],
    ['Asked for', original === undefined ? null : `by the model: ${longJson(original)}`],
  ];
  const history = details.audit.map(
    ({ at, actor, action, via }) => `    ${new Date(at).toISOString()}  ${action} by ${safe(actor)} (${via})`,
  );
  return [
    ...lines.flatMap(([name, text]) => (text === null ? [] : [`${name.padEnd(10)} ${text}`])),
    ...(history.length === 0 ? [] : ['History', ...history]),
  ].join('\n');
}

function votesText({ votes }: ApprovalDetails): string {
  return votes.length === 0 ? 'none' : votes.map(({ user_id }) => safe(user_id)).join(', ');
}
