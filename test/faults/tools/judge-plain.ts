import type { EffectLine } from './effect-line.ts';
import type { Findings } from './findings.ts';
import type { StoredCall, StoredQuestion, ToolsRecord } from './record.ts';

/** A call that may not be repeated: made once, and once more for each time that a person said so. */
export function judgePlain(
  record: ToolsRecord,
  row: StoredCall,
  lines: EffectLine[],
  findings: Findings,
): void {
  const nonce = String(row.arguments.nonce);
  const questions = record.questions.filter(
    ({ tool_call_id, kind }) => tool_call_id === row.id && kind === 'unknown_outcome',
  );
  const agains = questions.filter((question) => outcomeOf(question) === 'run_again');
  findings.figure('made again because a person said so', agains.length);
  // A call that waits for an answer is let go, and made again with the answer; only its effects count.
  const isAsking = row.tool === 'asking.asks';
  const attempts = isAsking ? lines.length : Math.max(row.attempt, lines.length);
  if (attempts > 1 + agains.length) {
    findings.note(
      'called_again',
      `plain call ${nonce} (${row.status}) has ${row.attempt} attempts and ${lines.length} effects, and people said ${agains.length} times that it is to be made again`,
    );
  }
  if (agains.length > 0 && row.attempt < 1 + agains.length) {
    findings.note('decision_lost', `plain call ${nonce} was to be made again, and was not`);
  }
  judgeReport(row, lines, questions, findings);
  if (isAsking) judgeChoice(record, row, lines, findings);
}

/** What the tool was told is what a person answered, by the store. */
function judgeChoice(record: ToolsRecord, row: StoredCall, lines: EffectLine[], findings: Findings): void {
  const answers = record.questions.filter(
    (question) => question.tool_call_id === row.id && question.kind === 'elicitation',
  );
  for (const { choice, at } of lines) {
    const isSaid = answers.some(
      ({ action, content, answered_at: when }) =>
        action === 'accept' &&
        JSON.stringify(content) === JSON.stringify({ choice }) &&
        when !== null &&
        when <= at + 1,
    );
    if (!isSaid)
      findings.note(
        'undecided',
        `asking call ${String(row.arguments.nonce)} was told ${choice}, which nobody said`,
      );
  }
}

function judgeReport(
  row: StoredCall,
  lines: EffectLine[],
  questions: StoredQuestion[],
  findings: Findings,
): void {
  const nonce = String(row.arguments.nonce);
  const said = questions.map(outcomeOf).at(-1);
  if (row.attempt > 0 && row.status === 'unknown') {
    findings.figure(`results lost for good, ${lines.length > 0 ? 'after' : 'without'} the effect`);
    if (questions.length === 0) {
      findings.note('unreported', `plain call ${nonce} is unknown, and nobody was asked`);
    }
  }
  const told = said === 'did_not_happen' ? 'failed' : said === 'happened' ? 'unknown' : null;
  if (told !== null && row.status !== told) {
    findings.note('decision_lost', `of plain call ${nonce} was said ${said}, and it is ${row.status}`);
  }
  if (lines.length > 0 && !['completed', 'unknown', told].includes(row.status)) {
    findings.note('unreported', `plain call ${nonce} had its effect and is ${row.status}`);
  }
}

export function outcomeOf({ action, content }: StoredQuestion): string | null {
  if (action !== 'accept' || typeof content !== 'object' || content === null) return action;
  return 'outcome' in content ? String(content.outcome) : action;
}
