import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';

interface ReferenceActivities {
  begin(): Promise<number>;
}
const { begin } = proxyActivities<ReferenceActivities>({ startToCloseTimeout: '1 minute' });

/** A bare workflow with one activity. Answers when the activity began. */
export async function bareWorkflow(): Promise<number> {
  return begin();
}

const goSignal = defineSignal('go');

/** A bare workflow that waits for a signal, then has one activity, on that task queue. Answers when the activity began. */
export async function bareGate(taskQueue: string): Promise<number> {
  let isOpen = false;
  setHandler(goSignal, () => {
    isOpen = true;
  });
  await condition(() => isOpen);
  return proxyActivities<ReferenceActivities>({ startToCloseTimeout: '1 minute', taskQueue }).begin();
}
