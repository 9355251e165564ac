import type { ErrorBody } from '../protocol/errors.ts';
import type { ToolResultStatus } from '../protocol/server-frames.ts';
import type { StepResult } from '../store/steps.ts';

/** What a step may answer its workflow. `nothing`: no turn waits. `refused`: this run's turn is over. */
export type StepAnswer = StepResult | { kind: 'nothing' } | { kind: 'refused' };

export type CallAnswer =
  | { kind: 'settled'; status: ToolResultStatus }
  /** No decision for exactly these arguments: wait (again). */
  | { kind: 'undecided' }
  /** The turn has ended or belongs to another run. */
  | { kind: 'refused' };

export interface VerdictInput {
  sessionId: string;
  toolCallId: string;
  outcome: 'approved' | 'rejected' | 'expired';
  reason?: string | undefined;
}

/** What a turn may do to the world. Every activity may run twice, at any time, and tells the same. */
export interface Activities {
  runStep(input: { sessionId: string; step: number }): Promise<StepAnswer>;
  callTool(input: { sessionId: string; toolCallId: string }): Promise<CallAnswer>;
  /** Writes an operator's decision or the timeout's through the key that all decisions go through. */
  recordVerdict(input: VerdictInput): Promise<'recorded' | 'conflict' | 'refused'>;
  /** Whether the run's turn is still its own, and whether it is to be cancelled. */
  lookAtTurn(input: {
    sessionId: string;
  }): Promise<{ standing: 'mine' | 'unclaimed' | 'over'; cancelRequested: boolean }>;
  endTurn(input: {
    sessionId: string;
    status: 'failed' | 'cancelled';
    error?: ErrorBody | undefined;
  }): Promise<{ moreWaiting: boolean }>;
  recordRejectedSignal(input: {
    sessionId: string;
    name: string;
    problem: string;
    payload: string;
  }): Promise<void>;
}
