import type { ErrorBody } from '../protocol/errors.ts';
import type { ToolResultStatus } from '../protocol/frame-parts.ts';
import type { OpenQuestion, StepCall, StepResult } from '../store/steps.ts';

/**
 * What a step may answer its workflow. `nothing`: no turn waits. `refused`: this run's turn is over. `question`: the
 * same step is to be run again when it is answered.
 */
export type StepAnswer =
  | StepResult
  | { kind: 'nothing' }
  | { kind: 'refused' }
  | { kind: 'question'; turnId: string; userId: string; question: OpenQuestion };

export type CallAnswer =
  | { kind: 'settled'; status: ToolResultStatus }
  /** No decision for what is to run: wait (again). */
  | { kind: 'undecided' }
  /** What is to run is not what was decided, or needs a decision after all: it waits at its gate, which is this one. */
  | { kind: 'asked'; call: StepCall }
  /** A person is asked about it; to be called again when that is answered. */
  | { kind: 'question'; question: OpenQuestion }
  /** The turn has ended or belongs to another run. */
  | { kind: 'refused' };

export interface VerdictInput {
  sessionId: string;
  toolCallId: string;
  outcome: 'approved' | 'rejected' | 'expired';
  reason?: string | undefined;
  /** What an operator wants to run instead of what was asked for. */
  arguments?: Record<string, unknown> | undefined;
  /** Which round they mean; without one, the gate as it is. */
  round?: number | undefined;
}

/** What became of a gate whose time had come: it waits on (as `call` says), or there is a decision. */
export type GateAnswer = { kind: 'waiting'; call: StepCall } | { kind: 'decided' };

/** What a turn may do to the world. Every activity may run twice, at any time, and tells the same. */
export interface Activities {
  runStep(input: { sessionId: string; step: number }): Promise<StepAnswer>;
  /** @param input.tool not there in runs of older versions */
  callTool(input: { sessionId: string; toolCallId: string; tool?: string }): Promise<CallAnswer>;
  /** Does what is due at a gate, by the store's clock: reminds, escalates, lets it expire. */
  tendGate(input: { sessionId: string; toolCallId: string }): Promise<GateAnswer>;
  /** Writes an operator's decision (or, for runs of older versions, the timeout's) through the key that all decisions go through. */
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
