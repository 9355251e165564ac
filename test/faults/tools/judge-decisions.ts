import type { Findings } from './findings.ts';
import { hashOf } from './hash.ts';
import type { Said, StoredDecision, ToolsRecord } from './record.ts';

/** What runs and ends of an approved call; `cancelled` only where its turn ended. */
const afterApproval = ['completed', 'failed', 'unknown', 'denied', 'cancelled'];

/** Every acked decision stands in the store and in the events, and was acted on. */
export function judgeDecisions(record: ToolsRecord, findings: Findings): void {
  const resolved = new Map<string, Record<string, unknown>[]>();
  for (const { type, body } of record.events) {
    if (type !== 'tool_approval_resolved') continue;
    const id = String(body.tool_call_id);
    resolved.set(id, [...(resolved.get(id) ?? []), body]);
  }
  for (const said of record.said) judgeSaid(record, said, resolved.get(said.toolCallId) ?? [], findings);
  for (const decision of record.decisions) judgeActed(record, decision, findings);
  const rows = [
    ...record.decisions.map((row) => ({ ...row, actor: row.decided_by, action: row.decision })),
    ...record.votes.map((row) => ({ ...row, actor: row.user_id, action: 'voted' })),
  ];
  for (const { tool_call_id, actor, action } of rows) {
    const isKept = record.audit.some(
      (entry) => entry.tool_call_id === tool_call_id && entry.actor === actor && entry.action === action,
    );
    if (!isKept)
      findings.note('decision_lost', `${action} of ${tool_call_id} by ${actor} is not in the audit`);
  }
}

function judgeSaid(
  record: ToolsRecord,
  said: Said,
  resolved: Record<string, unknown>[],
  findings: Findings,
): void {
  const { answer } = said;
  const name = `${said.by} about ${said.nonce} over ${said.via}`;
  findings.figure(`decisions ${answer.kind}`);
  if (answer.kind === 'voted') {
    if (!hasVoted(record, said))
      findings.note('decision_lost', `${name} was told of a vote, and there is none`);
    return;
  }
  if (!('decision' in answer)) {
    const how = answer.kind === 'refused' ? `refused: ${answer.words}` : `answered with ${answer.kind}`;
    findings.note('decision_lost', `${name} was ${how}`);
    return;
  }
  const { decision, by, at } = answer.decision;
  const rows = record.decisions.filter((row) => row.tool_call_id === said.toolCallId);
  const stands = rows.some((row) => row.decision === decision && row.decided_by === by);
  if (!stands)
    findings.note('decision_lost', `${name} was told ${decision} by ${by}, the store has ${show(rows)}`);
  if (!resolved.some((body) => body.decision === decision && body.by === by && body.at === at)) {
    findings.note(
      'decision_lost',
      `${name} was told ${decision} by ${by}, the events have ${JSON.stringify(resolved)}`,
    );
  }
  const own = said.approved ? 'approved' : 'rejected';
  if (answer.kind === 'conflict') return;
  if (decision !== own || (by !== said.by && !hasVoted(record, said))) {
    findings.note(
      'decision_lost',
      `${name} said ${own}, and was told that ${decision} by ${by} was recorded`,
    );
  }
  const planned = record.planned.find(({ nonce }) => nonce === said.nonce);
  const wanted = said.arguments ?? planned?.arguments;
  const runs = rows.find((row) => row.decision === decision)?.arguments_hash;
  if (said.approved && wanted !== undefined && runs !== hashOf(wanted)) {
    findings.note('decision_lost', `${name} approved other arguments than are to run`);
  }
}

function judgeActed(record: ToolsRecord, decision: StoredDecision, findings: Findings): void {
  const call = record.calls.find((row) => row.id === decision.tool_call_id);
  if (!call) {
    findings.note('decision_lost', `a decision about ${decision.tool_call_id}, which is no call`);
    return;
  }
  const name = `${decision.decision} of ${String(call.arguments.nonce)}`;
  const ends = decision.decision === 'approved' ? afterApproval : ['rejected', 'cancelled'];
  if (!ends.includes(call.status)) findings.note('decision_lost', `${name}, and the call is ${call.status}`);
  if (decision.acted_at === null) findings.note('decision_lost', `${name} was never acted on`);
}

/** Their approval is one of several, and another's decided. */
function hasVoted(record: ToolsRecord, said: Said): boolean {
  return record.votes.some((vote) => vote.tool_call_id === said.toolCallId && vote.user_id === said.by);
}

function show(rows: StoredDecision[]): string {
  return rows.map((row) => `${row.decision} by ${row.decided_by}`).join(', ') || 'nothing';
}
