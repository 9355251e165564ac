import { ActivityCancellationType, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/contract.ts';
import { toolTaskQueue } from '../protocol/turn-workflow.ts';

/** An activity that beats every 2 s and is silent for this long is taken for dead. */
const HEARTBEAT_TIMEOUT = '8 s';
const retry = { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s' } as const;

/** A step's failures end it for good only where the activity says so; everything else is tried again. */
export function stepActivity(summary: string): Activities['runStep'] {
  return proxyActivities<Activities>({
    startToCloseTimeout: '1 h',
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry,
    summary,
  }).runStep;
}

export function toolActivity(summary: string): Activities['callTool'] {
  return proxyActivities<Activities>({
    taskQueue: toolTaskQueue(workflowInfo().taskQueue),
    // A call may ask a person, and wait for days; that its worker lives is what heartbeats tell.
    startToCloseTimeout: '30 days',
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry,
    summary,
  }).callTool;
}

/** Short writes and reads of the store: repeated until it answers. */
export const storeActivities = proxyActivities<
  Pick<Activities, 'recordVerdict' | 'tendGate' | 'lookAtTurn' | 'endTurn' | 'recordRejectedSignal'>
>({ startToCloseTimeout: '30 s', retry });
