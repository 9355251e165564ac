import type { ParticipantRole } from '../protocol/frame-parts.ts';
import type { ToolDescriptor } from './port.ts';

/** One tool call, as the policy looks at it. */
export interface PolicyCall {
  /** What is known of the tool; undefined where no connected server has it. */
  tool: ToolDescriptor | undefined;
  /** `server.tool`. */
  toolName: string;
  arguments: Record<string, unknown>;
  /** Whose message led to the call; `role` is theirs in the session, null where they take no part in it any more. */
  requester: { id: string; role: ParticipantRole | null };
  /** The agent's name. */
  agent: string;
  /** Whose session it is; null where that is not known. */
  tenant: string | null;
}

/** The part before the first dot: what a tool's name says of where it comes from. */
export function serverOf(call: Pick<PolicyCall, 'tool' | 'toolName'>): string {
  return call.tool?.server ?? call.toolName.split('.', 1)[0] ?? '';
}
