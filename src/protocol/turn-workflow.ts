import type { InputKind } from './frame-parts.ts';

/** Names by which the outside speaks to a session's workflow; operators type them, so they never change. */
export const turnWorkflowType = 'turnWorkflow';
export const signals = { wake: 'wake', approval: 'approval', cancel: 'cancel', input: 'input' } as const;
export const turnStateQueryName = 'turnState';

/** Search attributes of a run: opaque ids and states only, because no codec covers them. */
export const searchAttributes = {
  state: 'TurngateState',
  session: 'TurngateSession',
  user: 'TurngateUser',
  tool: 'TurngateTool',
  approver: 'TurngateApprover',
  waitingSince: 'TurngateWaitingSince',
} as const;

/** One workflow id a session: Temporal keeps at most one run of it open. */
export function sessionWorkflowId(sessionId: string): string {
  return `session:${sessionId}`;
}

/** The session of a workflow id that {@link sessionWorkflowId} made. */
export function sessionOfWorkflow(workflowId: string): string {
  return workflowId.slice(workflowId.indexOf(':') + 1);
}

/** Tool calls have a task queue of their own, so that slow tools never take a step's slot. */
export function toolTaskQueue(taskQueue: string): string {
  return `${taskQueue}-tools`;
}

export interface TurnInput {
  sessionId: string;
  /** Whose message woke the session. */
  userId: string;
}

export interface GateState {
  toolCallId: string;
  tool: string;
  state: 'waiting' | 'asking' | 'running' | 'settled';
  /** Milliseconds since 1970. */
  since: number;
  rule: string;
  /** Of one that waits: who may decide, how many have to approve, and who has. */
  approvers?: string[] | undefined;
  needed?: number | undefined;
  approvedBy?: string[] | undefined;
  /** When it expires or goes on to others, milliseconds since 1970. */
  expiresAt?: number | undefined;
  /** How often it went on to others, and how often it was asked about. */
  level?: number | undefined;
  round?: number | undefined;
  /** Of one about which people are asked. */
  question?: QuestionState;
}

/** A question to people that waits for its answer. */
export interface QuestionState {
  requestId: string;
  kind: InputKind;
  message: string;
  /** Milliseconds since 1970. */
  since: number;
  expiresAt?: number | undefined;
  answerers?: string[] | undefined;
}

/** What the `turnState` query answers. */
export interface TurnState {
  turnId: string | null;
  step: number;
  state: 'step' | 'waiting_approval' | 'waiting_input' | 'tools' | 'ending';
  gates: GateState[];
  /** What people are asked before the step; null where it does not wait for that. */
  question: QuestionState | null;
  rejectedSignals: number;
}
