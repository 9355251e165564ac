import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { StepAnswer } from '../activities/contract.ts';
import { errorText } from '../protocol/error-text.ts';
import type { ErrorBody } from '../protocol/errors.ts';
import type { GateState, TurnInput, TurnState } from '../protocol/turn-workflow.ts';
import { stepActivity, storeActivities } from './activity-stubs.ts';
import { settleCalls, TurnOver } from './gates.ts';
import { showWaiting } from './operator-view.ts';
import { untilAnswered } from './questions.ts';
import { openSignalInbox, type SignalInbox } from './signal-inbox.ts';
import { turnStateQuery } from './signals.ts';

/**
 * One turn of a session: steps until the model stops, each tool call behind its gate. The run claims the first turn
 * that waits, and continues as new when more wait at its end: one workflow id a session, one run a turn.
 */
export async function turnWorkflow(input: TurnInput): Promise<void> {
  const { sessionId } = input;
  const inbox = openSignalInbox(sessionId);
  const state: Progress = { turnId: null, step: 0, state: 'step', gates: () => [], question: null };
  setHandler(turnStateQuery, () => tell(state, inbox));

  const moreWaiting = await runTurn(sessionId, inbox, state);
  state.state = 'ending';
  await inbox.close();
  // Nothing is awaited from here on: a `wake` that comes now makes the server ask this task again.
  if (moreWaiting || inbox.woken) await continueAsNew<typeof turnWorkflow>(input);
}

/** Where the turn is; `tools` until its calls are asked whether they wait. */
interface Progress extends Omit<TurnState, 'gates' | 'rejectedSignals'> {
  gates: () => GateState[];
}

function tell({ gates, ...state }: Progress, inbox: SignalInbox): TurnState {
  const told = { ...state, gates: gates(), rejectedSignals: inbox.rejected };
  if (state.state !== 'tools') return told;
  const isAny = (what: GateState['state']) => told.gates.some((gate) => gate.state === what);
  return {
    ...told,
    state: isAny('waiting') ? 'waiting_approval' : isAny('asking') ? 'waiting_input' : 'tools',
  };
}

/** Runs the turn to its end, whatever happens. Answers whether more turns wait. */
async function runTurn(sessionId: string, inbox: SignalInbox, state: Progress): Promise<boolean> {
  try {
    return await CancellationScope.cancellable(async () => {
      const working = CancellationScope.current();
      const watching = new CancellationScope();
      watching.run(() => watch(sessionId, inbox, state, working)).catch(ignoreCancellation);
      try {
        return await runSteps(sessionId, inbox, state);
      } finally {
        watching.cancel();
      }
    });
  } catch (error) {
    state.state = 'ending';
    const ending = toEnding(error);
    const ended = await CancellationScope.nonCancellable(() =>
      storeActivities.endTurn({ sessionId, ...ending }),
    );
    return ended.moreWaiting;
  }
}

async function runSteps(sessionId: string, inbox: SignalInbox, state: Progress): Promise<boolean> {
  for (let step = 1; ; step += 1) {
    state.step = step;
    state.state = 'step';
    const runStep = stepActivity(`step ${step}`);
    // Cleared in the very task that schedules the step: whatever came before is claimed by it.
    inbox.woken = false;
    const countedInputs = inbox.inputCount;
    const answer = await runStep({ sessionId, step });
    if (answer.kind === 'nothing') return false;
    if (answer.kind === 'refused') throw new TurnOver();
    state.turnId = answer.turnId;
    if (answer.kind === 'ended') return answer.moreWaiting;
    if (answer.kind === 'question') {
      await waitForAnswer(answer, inbox, state, countedInputs);
      step -= 1;
      continue;
    }
    state.state = 'tools';
    await settleCalls({ sessionId, ...answer }, inbox, (gates) => {
      state.gates = gates;
    });
  }
}

/** A question to people that comes before the step: the same step is run again when it is answered. */
async function waitForAnswer(
  asked: Extract<StepAnswer, { kind: 'question' }>,
  inbox: SignalInbox,
  state: Progress,
  countedInputs: number,
): Promise<void> {
  const since = Date.now();
  state.state = 'waiting_input';
  state.question = { ...asked.question, since };
  showWaiting(asked, [{ since, question: asked.question }]);
  inbox.lookOnWake = true;
  try {
    await untilAnswered(asked.question.requestId, inbox, countedInputs);
  } finally {
    inbox.lookOnWake = false;
    state.question = null;
    showWaiting(asked, []);
  }
}

/**
 * Looks, whenever a signal asks for it, whether the turn is still this run's and wanted; cancels the work if
 * not. The store says so, not the signal.
 */
async function watch(
  sessionId: string,
  inbox: SignalInbox,
  state: Progress,
  working: CancellationScope,
): Promise<void> {
  for (;;) {
    await condition(() => inbox.lookWanted);
    inbox.lookWanted = false;
    const { standing, cancelRequested } = await storeActivities.lookAtTurn({ sessionId });
    // A turn that the history names but the store does not give to this run: the run was reset.
    const lost = standing === 'over' || (standing === 'unclaimed' && state.turnId !== null);
    if (lost || (standing === 'mine' && cancelRequested)) {
      working.cancel();
      return;
    }
  }
}

function ignoreCancellation(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

/** How a turn ends that no step ended. One that is over already stays as it is: `endTurn` only answers what waits. */
function toEnding(error: unknown): { status: 'failed' | 'cancelled'; error?: ErrorBody } {
  // An attempt may fail in the moment in which the run is cancelled.
  const isCancelled = isCancellation(error) || CancellationScope.current().consideredCancelled;
  if (isCancelled) return { status: 'cancelled' };
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const isModel = cause instanceof ApplicationFailure && cause.type?.startsWith('ModelError.');
  const message = errorText(cause);
  return {
    status: 'failed',
    error: isModel
      ? { code: 'model_error', message }
      : {
          code: 'processing_error',
          message:
            error instanceof TurnOver
              ? 'The turn was ended outside this run.'
              : `The turn failed in run ${workflowInfo().runId}: ${message}`,
        },
  };
}
