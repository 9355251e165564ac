import type { Findings } from './findings.ts';
import { outcomeOf } from './judge-report.ts';
import type { Answered, ToolsRecord } from './record.ts';

/** Every answer to a question that was acked stands, and was acted on. */
export function judgeAnswers(record: ToolsRecord, findings: Findings): void {
  for (const answered of record.answered) judgeAnswered(record, answered, findings);
  for (const question of record.questions) {
    findings.figure(`questions ${question.kind}, ${outcomeOf(question) ?? 'not answered'}`);
    if (question.action === null) findings.note('stuck', `question ${question.id} is still open`);
    else if (question.acted_at === null)
      findings.note('decision_lost', `answer ${question.id} was never acted on`);
  }
}

function judgeAnswered(record: ToolsRecord, answered: Answered, findings: Findings): void {
  const words = whyLost(record, answered);
  if (words === null) return;
  const { by, nonce, content } = answered;
  findings.note('decision_lost', `the answer of ${by} about ${nonce} (${JSON.stringify(content)}) ${words}`);
}

function whyLost(record: ToolsRecord, { told, requestId, content }: Answered): string | null {
  if (told === null) return 'was never acked';
  if (told.kind === 'refused') return `was refused: ${told.words}`;
  const stored = record.questions.find(({ id }) => id === requestId);
  if (stored?.action !== told.action || stored.answered_by !== told.by) {
    return `was told ${told.action} by ${told.by}, and the store has ${stored?.action} by ${stored?.answered_by}`;
  }
  const isOther = told.kind === 'recorded' && JSON.stringify(stored.content) !== JSON.stringify(content);
  return isOther ? `is stored as ${JSON.stringify(stored.content)}` : null;
}
