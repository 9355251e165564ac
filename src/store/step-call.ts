import type { GateDecision } from '../protocol/frame-parts.ts';
import type { StepCall } from './steps.ts';

/** Arguments as an operator sees them in Temporal, bytes: of one call, and of all calls of a step together. */
const OPERATOR_ARGUMENT_BYTES = 32 * 1024;
/** Temporal takes 2 MB a payload and warns from 512 KiB; escaping may double this. */
const OPERATOR_STEP_BYTES = 256 * 1024;

/** When a gate is to be looked at, and who may decide. */
export interface GateTimes {
  approvers: string[];
  needed: number;
  /** Who of them has approved so far. */
  approvedBy?: string[];
  level: number;
  round: number;
  /** Milliseconds since 1970. */
  expiresAt: number;
  dueInMs: number;
}

/** A call as its workflow, and with it the operator, sees it. @param calls of its step, which share the room */
export function toStepCall(
  call: {
    toolCallId: string;
    tool: string;
    arguments: Record<string, unknown>;
    gate: GateDecision;
    rule: string;
    reason: string;
    timeoutMs: number;
  },
  gate: GateTimes | null,
  calls = 1,
): StepCall {
  const limit = Math.min(OPERATOR_ARGUMENT_BYTES, Math.floor(OPERATOR_STEP_BYTES / calls));
  const json = Buffer.from(JSON.stringify(call.arguments));
  const { toolCallId, tool, rule, reason, timeoutMs } = call;
  return {
    toolCallId,
    tool,
    // A character that the cut splits becomes U+FFFD.
    arguments: json.length > limit ? `${json.subarray(0, limit).toString()}…` : json.toString(),
    gate: call.gate,
    rule,
    reason,
    timeoutMs,
    ...gate,
  };
}
