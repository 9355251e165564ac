import type { Client } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import type { ApprovalSignalPayload, InputSignalPayload } from '../protocol/approval-signal.ts';
import {
  searchAttributes,
  sessionWorkflowId,
  signals,
  type TurnInput,
  turnWorkflowType,
} from '../protocol/turn-workflow.ts';

/** How the gateway and the reconciler speak to a session's workflow. Every call may be repeated. */
export interface TurnClient {
  /** Signal-with-start: a run is open afterwards, or the open one looks again. */
  wake(session: { sessionId: string; userId: string }): Promise<void>;
  /** Rejects when no run is open: there is nobody to wake then, and the row stands. */
  approval(sessionId: string, payload: ApprovalSignalPayload): Promise<void>;
  /** A question is answered, or nobody can answer it any more. Rejects as {@link approval} does. */
  input(sessionId: string, payload: InputSignalPayload): Promise<void>;
  cancel(sessionId: string, turnId: string): Promise<void>;
}

const stateKey = defineSearchAttributeKey(searchAttributes.state, SearchAttributeType.KEYWORD);
const sessionKey = defineSearchAttributeKey(searchAttributes.session, SearchAttributeType.KEYWORD);
const userKey = defineSearchAttributeKey(searchAttributes.user, SearchAttributeType.KEYWORD);
const CALL_TIMEOUT_MS = 5_000;

export function createTurnClient(client: Client, options: { taskQueue: string }): TurnClient {
  const bounded = <T>(call: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + CALL_TIMEOUT_MS, call);
  return {
    async wake({ sessionId, userId }) {
      const input: TurnInput = { sessionId, userId };
      await bounded(() =>
        client.workflow.signalWithStart(turnWorkflowType, {
          workflowId: sessionWorkflowId(sessionId),
          taskQueue: options.taskQueue,
          args: [input],
          // A worker that dies in the middle of a workflow task holds its run for this long, not for the default 10 s.
          workflowTaskTimeout: '3 s',
          signal: signals.wake,
          signalArgs: [],
          staticSummary: `Session ${sessionId}`,
          // In the start options, so that a plain turn costs no upsert.
          typedSearchAttributes: new TypedSearchAttributes([
            { key: stateKey, value: 'running' },
            { key: sessionKey, value: sessionId },
            { key: userKey, value: userId },
          ]),
        }),
      );
    },
    async approval(sessionId, payload) {
      const handle = client.workflow.getHandle(sessionWorkflowId(sessionId));
      await bounded(() => handle.signal(signals.approval, payload));
    },
    async input(sessionId, payload) {
      const handle = client.workflow.getHandle(sessionWorkflowId(sessionId));
      await bounded(() => handle.signal(signals.input, payload));
    },
    async cancel(sessionId, turnId) {
      const handle = client.workflow.getHandle(sessionWorkflowId(sessionId));
      await bounded(() => handle.signal(signals.cancel, { turn_id: turnId }));
    },
  };
}
