import type { EffectLine } from './effect-line.ts';
import type { Findings } from './findings.ts';
import { outcomeOf, questionsAbout } from './judge-report.ts';
import type { StoredCall, ToolsRecord } from './record.ts';

/** A call that may not be repeated: made once, and once more for each time that a person said so. */
export function judgePlain(
  record: ToolsRecord,
  row: StoredCall,
  lines: EffectLine[],
  findings: Findings,
): void {
  const nonce = String(row.arguments.nonce);
  const agains = questionsAbout(record, row).filter((question) => outcomeOf(question) === 'run_again');
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
