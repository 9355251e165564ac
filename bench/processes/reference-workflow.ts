import { proxyActivities } from '@temporalio/workflow';

const { begin } = proxyActivities<{ begin(): Promise<number> }>({ startToCloseTimeout: '1 minute' });

/** A bare workflow with one activity. Answers when the activity began. */
export async function bareWorkflow(): Promise<number> {
  return begin();
}
