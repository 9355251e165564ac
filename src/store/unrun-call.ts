import { roundsMax } from '../gate/judge.ts';
import type { Inspection } from './ledger-row.ts';
import type { CallClosing } from './tool-call-close.ts';

/* How a call ends that does not run (any more), in words for the model. */

export function obstacleIn(now: Inspection): CallClosing | null {
  if (now.unavailable !== null) return unavailableNow(now.unavailable);
  return now.gate === 'deny' ? deniedNow(now.reason) : null;
}

export const cancelledBefore: CallClosing = {
  status: 'cancelled',
  result: null,
  text: 'The turn was cancelled before this tool call was run.',
  error: null,
};

function unavailableNow(why: string): CallClosing {
  return { status: 'failed', result: null, text: why, error: { code: 'unavailable', message: why } };
}

/** The gateway looked at this when it took the change in; here it is looked at again, because this is what runs. */
export function misfitNow(why: string): CallClosing {
  const message = `A person changed the arguments to what the tool does not take: ${why}`;
  return { status: 'failed', result: null, text: message, error: { code: 'tool_error', message } };
}

function deniedNow(reason: string): CallClosing {
  return { status: 'denied', result: null, text: reason, error: { code: 'tool_error', message: reason } };
}

export const askedTooOften = deniedNow(
  `What was to run had changed each time that this call was approved, ${roundsMax} times; it is given up.`,
);
