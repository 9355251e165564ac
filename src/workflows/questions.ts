import { condition } from '@temporalio/workflow';
import type { SignalInbox } from './signal-inbox.ts';

/** Waits until a question is said to be answered. Whoever asked looks at the store, and may have to wait again. */
export async function untilAnswered(requestId: string, inbox: SignalInbox): Promise<void> {
  await condition(() => inbox.inputs.has(requestId));
  inbox.inputs.delete(requestId);
}
