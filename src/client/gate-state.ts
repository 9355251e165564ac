import type { ErrorBody } from '../protocol/errors.ts';
import type { AskedAgain, GateDecision, ToolResultStatus } from '../protocol/frame-parts.ts';
import type { StandingDecision } from '../protocol/live-frames.ts';
import type { EventFrame } from '../protocol/server-frames.ts';

type Event<T extends EventFrame['type']> = Extract<EventFrame, { type: T }>;
/** Any JSON value. */
export type Json = Event<'tool_call'>['arguments'];

/** One of several people who have to approve did so. */
export interface GivenApproval {
  readonly by: string;
  readonly at: number;
}

/** What waits for a person's decision, as it was asked last. Times are milliseconds since 1970. */
export interface ApprovalRequest {
  readonly argumentsHash: string;
  /** Of the name, description and schema of the tool; null where the gateway said none. */
  readonly toolHash: string | null;
  /** The rule that asks. */
  readonly rule: string | null;
  readonly reason: string;
  readonly expiresAt: number;
  /** The users who may decide. */
  readonly approvers: readonly string[];
  /** How many of them have to approve. */
  readonly needed: number;
  /** Those who did, in this round. */
  readonly approvals: readonly GivenApproval[];
  /** Counts how often the call was asked about, from 1. */
  readonly round: number;
  /** How often it was escalated. */
  readonly level: number;
  /** Why it is asked again; null for the first time. */
  readonly because: AskedAgain | null;
  readonly reminders: number;
  readonly askedAt: number;
}

/** The decision that stands on a call. */
export interface Decided extends Omit<StandingDecision, 'tool_call_id'> {
  /** Whether calls like it run without being asked about from now on, and where. */
  readonly remember?: 'session' | 'always';
}

/** What an attempt brought after it had been given up: evidence that changes nothing. */
export interface LateResult {
  readonly attempt: number;
  readonly status: Event<'tool_late_result'>['status'];
  readonly result: Json;
  readonly error: ErrorBody | null;
  readonly at: number;
}

export interface ToolCall {
  readonly id: string;
  readonly messageId: string | null;
  readonly turnId: string | null;
  /** `server.tool` */
  readonly tool: string;
  /** What runs, or would. */
  readonly arguments: Json;
  /** What the model asked for, where a person changed it; else null. */
  readonly originalArguments: Json;
  readonly gate: GateDecision;
  readonly rule: string | null;
  readonly reason: string;
  readonly status: 'proposed' | 'waiting_approval' | 'approved' | 'running' | ToolResultStatus;
  /** null unless a decision is waited for. */
  readonly approval: ApprovalRequest | null;
  /** null while one is waited for, also where one of an earlier round was made. */
  readonly decision: Decided | null;
  readonly attempt: number;
  readonly progress: {
    readonly progress: number;
    readonly total: number | null;
    readonly message: string;
  } | null;
  readonly result: Json;
  readonly error: ErrorBody | null;
  readonly lateResults: readonly LateResult[];
}

/** A question that is over: who answered what; `by` is `turngate` where nobody did in time, or the turn ended. */
export interface ResolvedInput extends Pick<Event<'input_resolved'>, 'action' | 'by' | 'content'> {
  readonly request: Event<'input_request'>;
  readonly at: number;
}

/** What a decision is about: exactly what is shown. */
export interface Shown {
  readonly argumentsHash: string | undefined;
  readonly toolHash: string | undefined;
  readonly round: number | undefined;
}
