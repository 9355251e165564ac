import { CancellationScope, patched, setDefaultSignalHandler, setHandler } from '@temporalio/workflow';
import {
  type ApprovalSignalPayload,
  parseApprovalSignal,
  parseCancelSignal,
  parseInputSignal,
} from '../protocol/approval-signal.ts';
import { storeActivities } from './activity-stubs.ts';
import { approvalSignal, cancelSignal, inputSignal, wakeSignal } from './signals.ts';

/** Bad signals kept for the operator; more are counted only. */
const REJECTED_SIGNALS_MAX = 20;
const PAYLOAD_CHARS = 2_000;
/** Calls whose approvals wait to be taken, three times as many as a step has; the reconciler names those again that are decided. */
const APPROVALS_MAX = 100;
/** Questions that signals named last; the reconciler names those again that are answered. */
const INPUTS_MAX = 1_000;

export interface SignalInbox {
  /** Set by every `wake`, cleared where a step is scheduled. */
  woken: boolean;
  /** Set where somebody has to look whether the turn is still this run's and wanted. */
  lookWanted: boolean;
  /** Whether a `wake` asks for such a look: while gates wait, nobody else looks. */
  lookOnWake: boolean;
  /** The last good approval signal of each call, until it is taken. */
  approvals: Map<string, ApprovalSignalPayload>;
  /** Questions that are said to be answered, each with the place of the last signal that said so, counted from 1. */
  inputs: Map<string, number>;
  /** How many of these signals came so far. */
  inputCount: number;
  rejected: number;
  /** At the run's end: tells of what no gate has taken, and settles when all that was ignored is recorded. */
  close(): Promise<void>;
}

/** Parses what comes in; what cannot be understood is recorded and ignored, and never wedges the run. */
export function openSignalInbox(sessionId: string): SignalInbox {
  const records: Promise<void>[] = [];
  const inbox: SignalInbox = {
    woken: false,
    lookWanted: false,
    lookOnWake: false,
    approvals: new Map(),
    inputs: new Map(),
    inputCount: 0,
    rejected: 0,
    async close() {
      do {
        rejectUntaken();
        await Promise.allSettled(records.splice(0));
      } while (records.length > 0 || untaken().length > 0);
    },
  };

  /** Approvals of operators for calls that did not wait: without a word they would wonder. */
  function untaken(): ApprovalSignalPayload[] {
    return [...inbox.approvals.values()].filter(isOperators);
  }

  function rejectUntaken(): void {
    const signals = untaken();
    inbox.approvals.clear();
    if (signals.length === 0 || !patched('untaken-approvals')) return;
    for (const signal of signals)
      reject('approval', 'No call with this id waited for an approval then.', signal);
  }

  /** Whoever may signal could name calls without end; what came first has waited in vain for the longest. */
  function keepBound(): void {
    const [oldest] = inbox.approvals.values();
    if (inbox.approvals.size <= APPROVALS_MAX || !oldest || !patched('bounded-approvals')) return;
    inbox.approvals.delete(oldest.tool_call_id);
    const problem = `More than ${APPROVALS_MAX} approvals came for calls that did not wait; this was the oldest.`;
    if (isOperators(oldest)) reject('approval', problem, oldest);
  }

  function reject(name: string, problem: string, payload: unknown): void {
    inbox.rejected += 1;
    if (inbox.rejected > REJECTED_SIGNALS_MAX) return;
    const text = (JSON.stringify(payload) ?? 'undefined').slice(0, PAYLOAD_CHARS);
    const signal = { sessionId, name, problem, payload: text };
    // Also of a run that was cancelled meanwhile.
    records.push(CancellationScope.nonCancellable(() => storeActivities.recordRejectedSignal(signal)));
  }

  setHandler(wakeSignal, () => {
    inbox.woken = true;
    if (inbox.lookOnWake) inbox.lookWanted = true;
  });
  setHandler(approvalSignal, (payload) => {
    const parsed = parseApprovalSignal(payload);
    if (!parsed.ok) return reject('approval', parsed.problem, payload);
    const { tool_call_id: id, vote } = parsed.payload;
    // Whatever waits to be taken leads to a look as well, and may be a decision.
    const before = inbox.approvals.get(id);
    if (vote && before) return;
    inbox.approvals.set(id, parsed.payload);
    if (before && isOperators(before) && patched('overtaken-approvals'))
      reject('approval', 'Another decision about this call came before this one was looked at.', before);
    keepBound();
  });
  setHandler(cancelSignal, (payload) => {
    const parsed = parseCancelSignal(payload);
    if (parsed.ok) inbox.lookWanted = true;
    else reject('cancel', parsed.problem, payload);
  });
  setHandler(inputSignal, (payload) => {
    const parsed = parseInputSignal(payload);
    if (!parsed.ok) reject('input', parsed.problem, payload);
    else noteInput(inbox, parsed.payload.request_id);
  });
  setDefaultSignalHandler((name, ...args) => {
    reject(name, 'There is no such signal; there are wake, approval, input and cancel.', args);
  });
  return inbox;
}

/** Not the word of a row that is there already. */
function isOperators({ decision_id, vote }: ApprovalSignalPayload): boolean {
  return !(decision_id || vote);
}

function noteInput(inbox: SignalInbox, requestId: string): void {
  inbox.inputCount += 1;
  inbox.inputs.delete(requestId);
  inbox.inputs.set(requestId, inbox.inputCount);
  const [oldest] = inbox.inputs.keys();
  if (inbox.inputs.size > INPUTS_MAX && oldest !== undefined) inbox.inputs.delete(oldest);
}
