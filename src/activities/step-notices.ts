import type { LivePlane } from '../live/port.ts';
import { sessionWorkflowId } from '../protocol/turn-workflow.ts';
import type { StepResult } from '../store/steps.ts';

/** Says that a step has begun; how many will follow nobody knows. */
export function noteProgress(live: LivePlane, sessionId: string, step: number): void {
  live.publish({
    kind: 'notice',
    sessionId,
    frame: { type: 'workflow_progress', workflow_id: sessionWorkflowId(sessionId), progress: null, step },
  });
}

/** Says which tools were chosen, and which gate each has, by which rule and why. */
export function noteChoices(live: LivePlane, sessionId: string, result: StepResult): void {
  if (result.kind !== 'calls') return;
  for (const call of result.calls) {
    const content = `${call.tool}: ${call.gate}, by the rule ${call.rule}. ${call.reason}`;
    live.publish({
      kind: 'notice',
      sessionId,
      frame: { type: 'agent_thought', turn_id: result.turnId, kind: 'tool_choice', content },
    });
  }
}
