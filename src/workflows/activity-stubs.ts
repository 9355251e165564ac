import { ActivityCancellationType, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/contract.ts';
import { toolTaskQueue } from '../protocol/turn-workflow.ts';

/** An activity that beats every 2 s and is silent for this long is taken for dead. */
const HEARTBEAT_TIMEOUT = '8 s';
const retry = { initialInterval: '1 s', backoffCoefficient: 2, maximumInterval: '30 s' } as const;

/** Temporal refuses a summary above 400 bytes, and what it refuses would hold the run. */
const SUMMARY_CHARS_MAX = 120;

/** What stands beside an activity or a timer in Temporal's UI. */
export function summaryOf(text: string): string {
  return text.length > SUMMARY_CHARS_MAX ? `${text.slice(0, SUMMARY_CHARS_MAX)}…` : text;
}

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
    summary: summaryOf(summary),
  }).callTool;
}

type StoreActivities = Pick<
  Activities,
  'recordVerdict' | 'tendGate' | 'lookAtTurn' | 'endTurn' | 'recordRejectedSignal'
>;
const ofStore = { startToCloseTimeout: '30 s', retry } as const;

/** Short writes and reads of the store: repeated until it answers. */
export const storeActivities = proxyActivities<StoreActivities>(ofStore);

export function storeActivity(summary: string): StoreActivities {
  return proxyActivities<StoreActivities>({ ...ofStore, summary: summaryOf(summary) });
}
