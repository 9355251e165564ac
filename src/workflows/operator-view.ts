import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { searchAttributes } from '../protocol/turn-workflow.ts';
import type { StepCall } from '../store/steps.ts';

const stateKey = defineSearchAttributeKey(searchAttributes.state, SearchAttributeType.KEYWORD);
const userKey = defineSearchAttributeKey(searchAttributes.user, SearchAttributeType.KEYWORD);
const toolKey = defineSearchAttributeKey(searchAttributes.tool, SearchAttributeType.KEYWORD_LIST);

export interface WaitingGate {
  call: StepCall;
  /** Milliseconds since 1970. */
  since: number;
}

/** Says to operators, in the list and on the run's page, who waits for what since when. */
export function showWaiting(turn: { userId: string; turnId: string }, gates: WaitingGate[]): void {
  upsertSearchAttributes([
    { key: stateKey, value: gates.length > 0 ? 'waiting_approval' : 'running' },
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

function describeGate({ call, since }: WaitingGate): string {
  const until = new Date(since + call.timeoutMs).toISOString();
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
