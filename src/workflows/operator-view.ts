import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributes } from '../protocol/turn-workflow.ts';
import type { OpenQuestion, StepCall } from '../store/steps.ts';

const stateKey = defineSearchAttributeKey(searchAttributes.state, SearchAttributeType.KEYWORD);
const userKey = defineSearchAttributeKey(searchAttributes.user, SearchAttributeType.KEYWORD);
const toolKey = defineSearchAttributeKey(searchAttributes.tool, SearchAttributeType.KEYWORD_LIST);

/** A call that waits at its gate or, where there is a question, for somebody's answer. */
export interface Waiting {
  call: StepCall;
  /** Milliseconds since 1970. */
  since: number;
  question: OpenQuestion | null;
}

/** Says to operators, in the list and on the run's page, who waits for what since when. */
export function showWaiting(turn: { userId: string; turnId: string }, gates: Waiting[]): void {
  upsertSearchAttributes([
    { key: stateKey, value: stateOf(gates) },
    { key: userKey, value: turn.userId },
    { key: toolKey, value: [...new Set(gates.map((gate) => gate.call.tool))] },
  ]);
  setCurrentDetails(
    gates.length === 0
      ? `Turn \`${turn.turnId}\` is running.`
      : [
          `Turn \`${turn.turnId}\` of user \`${turn.userId}\` waits for **${gates.length}** approval${gates.length > 1 ? 's' : ''}.`,
          ...gates.map(describeGate),
          'To decide from here, send the signal `approval` with `{"tool_call_id": "…", "approved": true}`.',
        ].join('\n\n'),
  );
}

/** Says that the turn itself waits for somebody's answer. */
export function showQuestion(turn: { userId: string; turnId: string }, question: OpenQuestion): void {
  upsertSearchAttributes([
    { key: stateKey, value: 'waiting_input' },
    { key: userKey, value: turn.userId },
    { key: toolKey, value: [] },
  ]);
  setCurrentDetails(
    [
      `Turn \`${turn.turnId}\` of user \`${turn.userId}\` waits for an answer.`,
      describeQuestion(question),
    ].join('\n\n'),
  );
}

function stateOf(gates: Waiting[]): string {
  if (gates.length === 0) return 'running';
  return gates.some((gate) => gate.question === null) ? 'waiting_approval' : 'waiting_input';
}

function describeQuestion(question: OpenQuestion): string {
  return `- question \`${question.requestId}\` (${question.kind}): ${question.message}`;
}

function describeGate({ call, since, question }: Waiting): string {
  if (question !== null) return `### ${call.tool}\n${describeQuestion(question)}`;
  const until = new Date(call.expiresAt ?? since + call.timeoutMs).toISOString();
  return [
    `### ${call.tool}`,
    `- call: \`${call.toolCallId}\``,
    `- waiting since: ${new Date(since).toISOString()}, expires: ${until}`,
    `- rule: \`${call.rule}\` (${call.reason})`,
    '- arguments:',
    '```json',
    call.arguments.replaceAll('```', "'''"),
    '```',
  ].join('\n');
}
