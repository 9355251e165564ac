import { condition } from '@temporalio/workflow';
import type { SignalInbox } from './signal-inbox.ts';

/**
 * Waits until a question is said to be answered. Whoever asked looks at the store, and may have to wait again. Nobody
 * takes the signal away: several calls may wait for one answer, also one that learns of the question later.
 * @param since `inbox.inputCount` when the activity was scheduled that asked: what was said before, it has seen
 */
export async function untilAnswered(requestId: string, inbox: SignalInbox, since: number): Promise<void> {
  await condition(() => (inbox.inputs.get(requestId) ?? 0) > since);
}
