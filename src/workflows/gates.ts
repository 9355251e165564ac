import { CancellationScope, condition, isCancellation, sleep } from '@temporalio/workflow';
import type { ApprovalSignalPayload } from '../protocol/approval-signal.ts';
import type { GateState } from '../protocol/turn-workflow.ts';
import type { StepCall } from '../store/steps.ts';
import { storeActivities, toolActivity } from './activity-stubs.ts';
import { showWaiting } from './operator-view.ts';
import type { SignalInbox } from './signal-inbox.ts';

/** The turn has ended under us, or belongs to another run: nothing more may be done for it. */
export class TurnOver extends Error {
  override readonly name = 'TurnOver';
}

interface CallsOfStep {
  sessionId: string;
  turnId: string;
  userId: string;
  calls: StepCall[];
}

/**
 * Settles every tool call of a step: allowed ones run at once and in parallel, asked ones each wait at their own
 * gate. The given states show it to the `turnState` query.
 */
export async function settleCalls(step: CallsOfStep, inbox: SignalInbox, states: GateState[]): Promise<void> {
  const open = step.calls.filter((call) => call.gate !== 'deny');
  const since = Date.now();
  const byId = new Map(open.map((call) => [call.toolCallId, gateState(call, since)]));
  const waiting = () => open.filter((call) => byId.get(call.toolCallId)?.state === 'waiting');
  const view = () =>
    showWaiting(
      step,
      waiting().map((call) => ({ call, since })),
    );
  states.push(...byId.values());
  if (waiting().length > 0) view();
  inbox.lookOnWake = true;
  try {
    await allOrNone(
      open.map((call) => async () => {
        const state = byId.get(call.toolCallId) ?? gateState(call, since);
        await settleCall(step.sessionId, call, inbox, state, view);
      }),
    );
  } finally {
    inbox.lookOnWake = false;
    // Search attributes outlive the run: the next one would be listed as waiting, too.
    if (waiting().length > 0) showWaiting(step, []);
  }
}

/** Runs all; the first failure cancels the others, which may still say how they ended. */
async function allOrNone(works: (() => Promise<void>)[]): Promise<void> {
  await CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    let first: unknown;
    await Promise.allSettled(
      works.map((work) =>
        work().catch((error: unknown) => {
          first ??= error;
          scope.cancel();
        }),
      ),
    );
    if (first !== undefined) throw first;
  });
}

function gateState(call: StepCall, since: number): GateState {
  const state = call.gate === 'ask' ? 'waiting' : 'running';
  return { toolCallId: call.toolCallId, tool: call.tool, state, since, rule: call.rule };
}

async function settleCall(
  sessionId: string,
  call: StepCall,
  inbox: SignalInbox,
  state: GateState,
  view: () => void,
): Promise<void> {
  const callTool = toolActivity(call.tool);
  const run = async () => {
    const answer = await callTool({ sessionId, toolCallId: call.toolCallId });
    if (answer.kind === 'refused') throw new TurnOver();
    return answer.kind === 'settled';
  };
  if (call.gate === 'ask') {
    await passGate(sessionId, call, inbox, async () => {
      setState(state, 'running');
      view();
      if (await run()) return true;
      setState(state, 'waiting');
      view();
      return false;
    });
  } else if (!(await run())) {
    // An allowed call that suddenly needs a decision: its arguments are not what they were.
    throw new Error(`The allowed call ${call.toolCallId} was refused by the ledger.`);
  }
  setState(state, 'settled');
}

function setState(state: GateState, to: GateState['state']): void {
  state.state = to;
  state.since = Date.now();
}

/**
 * Waits for a decision, for at most the gate's time. Acts on the store's row, never on the signal's words: `act`
 * answers false where there is none, and the wait goes on.
 */
async function passGate(
  sessionId: string,
  call: StepCall,
  inbox: SignalInbox,
  act: () => Promise<boolean>,
): Promise<void> {
  const timer = startTimer(call);
  try {
    for (;;) {
      await condition(() => timer.expired() || inbox.approvals.has(call.toolCallId));
      const signal = inbox.approvals.get(call.toolCallId);
      inbox.approvals.delete(call.toolCallId);
      const decided = await ensureDecided(sessionId, call, signal);
      if (decided && (await act())) return;
      if (!signal) throw new Error(`The expired call ${call.toolCallId} has no decision.`);
    }
  } finally {
    timer.stop();
  }
}

/** One durable timer for the whole wait, however many signals come meanwhile. */
function startTimer(call: StepCall): { expired(): boolean; stop(): void } {
  const scope = new CancellationScope();
  let expired = false;
  scope
    .run(() => sleep(call.timeoutMs, { summary: `approval of ${call.tool} expires` }))
    .then(
      () => {
        expired = true;
      },
      (error: unknown) => {
        if (!isCancellation(error)) throw error;
      },
    );
  return { expired: () => expired, stop: () => scope.cancel() };
}

/** A signal without a decision's id is an operator's, and no signal means that time is up: both become rows first. */
async function ensureDecided(
  sessionId: string,
  call: StepCall,
  signal: ApprovalSignalPayload | undefined,
): Promise<boolean> {
  if (signal?.decision_id !== undefined) return true;
  const outcome = signal === undefined ? 'expired' : signal.approved ? 'approved' : 'rejected';
  const answer = await storeActivities.recordVerdict({
    sessionId,
    toolCallId: call.toolCallId,
    outcome,
    ...(signal?.reason === undefined ? {} : { reason: signal.reason }),
  });
  return answer !== 'refused';
}
