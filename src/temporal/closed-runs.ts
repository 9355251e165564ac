import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { sessionOfWorkflow, sessionWorkflowId, turnWorkflowType } from '../protocol/turn-workflow.ts';

/** Runs that ended in a way no turn ends by itself. */
export interface ClosedRun {
  runId: string;
  sessionId: string;
  /** Such as `TERMINATED`. */
  how: string;
}

const CALL_TIMEOUT_MS = 5_000;
const abnormal = ['Terminated', 'Failed', 'TimedOut', 'Canceled'];

/**
 * Runs of turns that were ended from outside since a moment: one visibility query.
 * @param limit runs at most; the rest is found by {@link describeRun}
 */
export async function listClosedRuns(client: Client, since: Date, limit: number): Promise<ClosedRun[]> {
  const statuses = abnormal.map((status) => `'${status}'`).join(', ');
  const query = `WorkflowType = '${turnWorkflowType}' and ExecutionStatus in (${statuses}) and CloseTime > '${since.toISOString()}'`;
  const runs: ClosedRun[] = [];
  await client.withDeadline(Date.now() + CALL_TIMEOUT_MS, async () => {
    for await (const run of client.workflow.list({ query, pageSize: limit })) {
      const sessionId = sessionOfWorkflow(run.workflowId);
      runs.push({ runId: run.runId, sessionId, how: run.status.name });
      if (runs.length >= limit) break;
    }
  });
  return runs;
}

/** How a run ended; null while it is open. A run that Temporal does not know (any more) counts as ended. */
export async function describeRun(client: Client, sessionId: string, runId: string): Promise<string | null> {
  try {
    const handle = client.workflow.getHandle(sessionWorkflowId(sessionId), runId);
    const { status } = await client.withDeadline(Date.now() + CALL_TIMEOUT_MS, () => handle.describe());
    return status.name === 'RUNNING' ? null : status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'NOT_FOUND';
    throw error;
  }
}
