import type { EffectLine } from './effect-line.ts';
import { Findings } from './findings.ts';
import { judgeAnswers } from './judge-answers.ts';
import { judgeApproval } from './judge-approval.ts';
import { judgeDecisions } from './judge-decisions.ts';
import { judgeLogs } from './judge-logs.ts';
import { judgePlain } from './judge-plain.ts';
import { judgeReport } from './judge-report.ts';
import { honoursKeys, type PlannedCall } from './plan.ts';
import type { StoredCall, ToolsRecord } from './record.ts';

const openStatuses = ['waiting', 'ready', 'running', 'asking'];

/** Judges from outside what happened: effects against the ledger, answers against the store, logs against events. */
export function judge(record: ToolsRecord): Findings {
  const findings = new Findings();
  for (const words of record.stuck) findings.note('stuck', words);
  for (const words of record.died) findings.note('died', words);
  for (const call of record.planned) judgeCall(record, call, findings);
  judgeStrays(record, findings);
  judgeDecisions(record, findings);
  judgeAnswers(record, findings);
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
  for (const line of lines) judgeApproval(record, planned, row, line, findings);
  const effects = effectsOf(lines);
  findings.figure('effects', effects.length);
  if (honoursKeys(planned.tool)) judgeKeyed(nonce, lines, findings);
  else judgePlain(record, row, lines, findings);
  judgeReport(record, row, lines, findings);
  // It may be, where its server could not be reached; the report says why, so that nobody has to guess.
  if (row.status === 'failed') findings.figure(`failed: ${row.error?.message ?? 'nobody said why'}`);
  if (row.status === 'completed') judgeResult(row, nonce, effects, findings);
  if (['rejected', 'denied'].includes(row.status) && lines.length > 0) {
    findings.note('undecided', `call ${nonce} is ${row.status} and had an effect`);
  }
}

/** Of a tool that honours keys, what comes again is none; of any other every line is an effect. */
function effectsOf(lines: EffectLine[]): EffectLine[] {
  const isFirst = (line: EffectLine, index: number) =>
    lines.findIndex((other) => other.key === line.key) === index;
  return lines.filter((line, index) => !honoursKeys(line.tool) || isFirst(line, index));
}

function judgeKeyed(nonce: string, lines: EffectLine[], findings: Findings): void {
  findings.figure('repeats with the same key', lines.length - effectsOf(lines).length);
  if (effectsOf(lines).length > 1) findings.note('doubled', `keyed call ${nonce} had its effect twice`);
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
