import type { EffectLine } from './effect-line.ts';
import type { Findings } from './findings.ts';
import type { StoredCall, StoredQuestion, ToolsRecord } from './record.ts';

/** What people read of a call: an effect is never told as a failure, and what nobody knows was asked about. */
export function judgeReport(
  record: ToolsRecord,
  row: StoredCall,
  lines: EffectLine[],
  findings: Findings,
): void {
  const call = `${row.tool} ${String(row.arguments.nonce)}`;
  const questions = questionsAbout(record, row);
  const said = questions.map(outcomeOf).at(-1);
  if (row.attempt > 0 && row.status === 'unknown') {
    findings.figure(`results lost for good, ${lines.length > 0 ? 'after' : 'without'} the effect`);
    if (questions.length === 0) findings.note('unreported', `${call} is unknown, and nobody was asked`);
  }
  const told = said === 'did_not_happen' ? 'failed' : said === 'happened' ? 'unknown' : null;
  if (told !== null && row.status !== told) {
    findings.note('decision_lost', `of ${call} was said ${said}, and it is ${row.status}`);
  }
  if (lines.length > 0 && !['completed', 'unknown', told].includes(row.status)) {
    findings.note('unreported', `${call} had its effect and is ${row.status}`);
  }
}

export function questionsAbout(record: ToolsRecord, row: StoredCall): StoredQuestion[] {
  return record.questions.filter(
    ({ tool_call_id, kind }) => tool_call_id === row.id && kind === 'unknown_outcome',
  );
}

export function outcomeOf({ action, content }: StoredQuestion): string | null {
  if (action !== 'accept' || typeof content !== 'object' || content === null) return action;
  return 'outcome' in content ? String(content.outcome) : action;
}
