import type { Context } from '@temporalio/activity';
import type { LivePlane } from '../live/port.ts';
import { limits } from '../protocol/limits.ts';
import type { AgentState } from '../protocol/live-frames.ts';

export interface Beat {
  /** Changes what is said, and says it at once. */
  show(status: AgentState): void;
  stop(): void;
}

/**
 * Tells Temporal every 2 s that the activity lives, and the connected sessions what it does: heartbeats are for
 * liveness, not for text.
 */
export function startBeat(
  context: Context,
  live: LivePlane,
  about: { sessionId: string; turnId: string; attempt: number; toolCallId?: string },
  first: AgentState,
): Beat {
  const startedAt = Date.now();
  let status = first;
  const beat = () => {
    context.heartbeat();
    live.publish({
      kind: 'notice',
      sessionId: about.sessionId,
      frame: {
        type: 'agent_status',
        status,
        turn_id: about.turnId,
        details: {
          heartbeat_at: Date.now(),
          attempt: about.attempt,
          elapsed_ms: Date.now() - startedAt,
          ...(about.toolCallId === undefined ? {} : { tool_call_id: about.toolCallId }),
        },
      },
    });
  };
  beat();
  const timer = setInterval(beat, limits.heartbeatMs);
  return {
    show(next) {
      if (status === next) return;
      status = next;
      beat();
    },
    stop: () => clearInterval(timer),
  };
}
