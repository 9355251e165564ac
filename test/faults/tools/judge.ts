import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { EffectLine } from './effect-line.ts';
import { Findings } from './findings.ts';
import { judgeDecisions } from './judge-decisions.ts';
import { judgeLogs } from './judge-logs.ts';
import type { PlannedCall } from './plan.ts';
import type { StoredCall, ToolsRecord } from './record.ts';

const openStatuses = ['waiting', 'ready', 'running'];

/** Judges from outside what happened: effects against the ledger, answers against the store, logs against events. */
export function judge(record: ToolsRecord): Findings {
  const findings = new Findings();
  for (const words of record.stuck) findings.note('stuck', words);
  for (const words of record.died) findings.note('died', words);
  for (const call of record.planned) judgeCall(record, call, findings);
  judgeStrays(record, findings);
  judgeDecisions(record, findings);
  judgeLogs(record, findings);
  return findings;
}

function judgeCall(record: ToolsRecord, planned: PlannedCall, findings: Findings): void {
  const { nonce } = planned;
  const rows = record.calls.filter((call) => call.arguments.nonce === nonce);
  const lines = record.effects.filter((line) => line.nonce === nonce);
  findings.figure('calls planned');
  const [row] = rows;
  if (!row) {
    findings.note('stuck', `call ${nonce} was never proposed`);
    return;
  }
  if (rows.length > 1) findings.note('doubled', `call ${nonce} is in the ledger ${rows.length} times`);
  if (openStatuses.includes(row.status)) findings.note('stuck', `call ${nonce} is still ${row.status}`);
  findings.figure(`${planned.tool} ${row.status}`);
  for (const line of lines) judgeApproval(record, row, line, findings);
  const effects = effectsOf(lines);
  findings.figure('effects', effects.length);
  if (planned.tool === 'keyed') judgeKeyed(row, nonce, lines, findings);
  else judgePlain(row, nonce, lines, findings);
  if (row.status === 'completed') judgeResult(row, nonce, effects, findings);
  if (['rejected', 'denied'].includes(row.status) && lines.length > 0) {
    findings.note('undecided', `call ${nonce} is ${row.status} and had an effect`);
  }
}

/** Of a tool that honours keys, what comes again is none; of any other every line is an effect. */
function effectsOf(lines: EffectLine[]): EffectLine[] {
  return lines.filter(
    (line, index) => line.tool === 'plain' || lines.findIndex((other) => other.key === line.key) === index,
  );
}

function judgeKeyed(row: StoredCall, nonce: string, lines: EffectLine[], findings: Findings): void {
  findings.figure('repeats with the same key', lines.length - effectsOf(lines).length);
  if (effectsOf(lines).length > 1) findings.note('doubled', `keyed call ${nonce} had its effect twice`);
  // Its outcome can always be found out by asking again, so nothing about it may stay open.
  if (lines.length > 0 && ['failed', 'cancelled'].includes(row.status)) {
    findings.note('unreported', `keyed call ${nonce} had its effect and is ${row.status}`);
  }
}

function judgePlain(row: StoredCall, nonce: string, lines: EffectLine[], findings: Findings): void {
  if (lines.length > 1) {
    findings.note('called_again', `plain call ${nonce} (${row.status}) had its effect ${lines.length} times`);
  }
  if (row.attempt > 1) findings.note('called_again', `plain call ${nonce} has ${row.attempt} attempts`);
  if (row.status === 'unknown')
    findings.figure(`results lost, ${lines.length > 0 ? 'after' : 'without'} the effect`);
  if (lines.length > 0 && !['completed', 'unknown'].includes(row.status)) {
    findings.note('unreported', `plain call ${nonce} had its effect and is ${row.status}`);
  }
}

function judgeApproval(record: ToolsRecord, row: StoredCall, line: EffectLine, findings: Findings): void {
  const approval = record.decisions.find(
    (decision) => decision.tool_call_id === row.id && decision.decision === 'approved',
  );
  const why = (words: string) => findings.note('undecided', `an effect of ${line.nonce} ${words}`);
  if (line.key !== row.id) why(`has the key ${line.key}, its call is ${row.id}`);
  if (!approval) why('has no approval');
  else if (approval.arguments_hash !== hashOf(line.arguments))
    why('is of other arguments than were approved');
  else if (approval.decided_at > line.at + 1) why('is older than its approval');
}

function judgeResult(row: StoredCall, nonce: string, effects: EffectLine[], findings: Findings): void {
  const text = JSON.stringify(row.result);
  if (effects.some((line) => text.includes(line.id))) return;
  findings.note(
    'wrong_result',
    `call ${nonce} is completed with ${text}, and the tool answered ${effects.map((line) => line.id).join(', ') || 'nothing'}`,
  );
}

/** Effects of calls that nobody planned. */
function judgeStrays(record: ToolsRecord, findings: Findings): void {
  const known = new Set(record.planned.map((call) => call.nonce));
  for (const line of record.effects) {
    if (!known.has(line.nonce))
      findings.note('undecided', `an effect of ${line.nonce}, which nobody planned`);
  }
}

function hashOf(args: Record<string, unknown>): string {
  return createHash('sha256')
    .update(canonicalize(args) ?? '')
    .digest('hex');
}
