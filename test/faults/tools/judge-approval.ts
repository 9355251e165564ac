import type { EffectLine } from './effect-line.ts';
import type { Findings } from './findings.ts';
import { hashOf } from './hash.ts';
import { edited, type PlannedCall } from './plan.ts';
import type { StoredCall, StoredDecision, ToolsRecord } from './record.ts';

/** Database and tools look at the same clock, one of them in whole milliseconds. */
const clockMs = 1;

/** Every effect has what it needs, before it and for exactly what ran: a rule, a remembered approval, or people. */
export function judgeApproval(
  record: ToolsRecord,
  planned: PlannedCall,
  row: StoredCall,
  line: EffectLine,
  findings: Findings,
): void {
  const why = (words: string) => findings.note('undecided', `an effect of ${line.nonce} ${words}`);
  if (line.key !== row.id) why(`has the key ${line.key}, its call is ${row.id}`);
  const hash = hashOf(line.arguments);
  const possible = [planned.arguments, edited(planned.arguments)].map(hashOf);
  if (!possible.includes(hash)) why('has arguments that nobody asked for');
  if (planned.tool === 'never') why('is of a tool that is denied');
  if (planned.tool === 'free') {
    if (hash !== possible[0]) why('has other arguments than were allowed');
    return;
  }
  if (row.grant_id !== null) {
    const grant = record.grants.find(({ id }) => id === row.grant_id);
    const isFit = grant?.session_id === row.session_id && grant.tool === row.tool && planned.tool === 'noted';
    if (!isFit || grant.granted_at > line.at + clockMs) why(`runs under ${row.grant_id}, which does not fit`);
    findings.figure('effects under a remembered approval');
    return;
  }
  const approval = record.decisions.find(
    (decision) =>
      decision.tool_call_id === row.id &&
      decision.decision === 'approved' &&
      decision.arguments_hash === hash,
  );
  if (!approval) why('has no approval of its arguments');
  else if (approval.decided_at > line.at + clockMs) why('is older than its approval');
  else if (approversOf(record, approval).size < planned.arguments.people) why('was approved by too few');
}

function approversOf(record: ToolsRecord, approval: StoredDecision): Set<string> {
  const votes = record.votes.filter(
    (vote) =>
      vote.tool_call_id === approval.tool_call_id &&
      vote.round === approval.round &&
      vote.arguments_hash === approval.arguments_hash,
  );
  return new Set([approval.decided_by, ...votes.map((vote) => vote.user_id)]);
}
