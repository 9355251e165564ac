import { CancellationScope } from '@temporalio/workflow';
import type { GateState } from '../protocol/turn-workflow.ts';
import type { OpenQuestion, StepCall } from '../store/steps.ts';
import { toolActivity } from './activity-stubs.ts';
import { CallsView } from './calls-view.ts';
import { Gate } from './gate.ts';
import type { Waiting } from './operator-details.ts';
import { untilAnswered } from './questions.ts';
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
 * Settles every tool call of a step: allowed ones run at once and in parallel, asked ones each wait at their own gate.
 * @param show is given what tells the `turnState` query where each is
 */
export async function settleCalls(
  step: CallsOfStep,
  inbox: SignalInbox,
  show: (states: () => GateState[]) => void,
): Promise<void> {
  const open = step.calls.filter((call) => call.gate !== 'deny');
  const since = Date.now();
  const view = new CallsView(step, () => settlings.flatMap((settling) => settling.waiting() ?? []));
  const settlings = open.map((call) => new Settling(step.sessionId, call, inbox, since, view));
  show(() => settlings.map((settling) => settling.tell()));
  view.show();
  inbox.lookOnWake = true;
  try {
    await allOrNone(settlings.map((settling) => () => settling.run()));
  } finally {
    inbox.lookOnWake = false;
    view.close();
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

/** One call on its way to its result: at its gate, running, at a question of somebody, and round again. */
class Settling {
  readonly #sessionId: string;
  readonly #inbox: SignalInbox;
  readonly #view: CallsView;
  readonly #gate: Gate;
  #state: GateState['state'];
  #since: number;
  #question: OpenQuestion | null = null;

  constructor(sessionId: string, call: StepCall, inbox: SignalInbox, since: number, view: CallsView) {
    this.#sessionId = sessionId;
    this.#inbox = inbox;
    this.#view = view;
    this.#gate = new Gate(sessionId, call, inbox);
    this.#state = call.gate === 'ask' ? 'waiting' : 'running';
    this.#since = since;
  }

  /** What it waits for, if it waits. */
  waiting(): Waiting | null {
    const { call } = this.#gate;
    const since = this.#since;
    if (this.#state === 'waiting') return { call, since, question: null };
    return this.#state === 'asking' ? { call, since, question: this.#question } : null;
  }

  tell(): GateState {
    const { toolCallId, tool, rule, ...gate } = this.#gate.call;
    const state = { toolCallId, tool, state: this.#state, since: this.#since, rule };
    if (state.state === 'asking' && this.#question !== null) {
      return { ...state, question: { ...this.#question, since: this.#since } };
    }
    if (state.state !== 'waiting') return state;
    const { approvers, needed, approvedBy, expiresAt, level, round } = gate;
    return { ...state, approvers, needed, approvedBy, expiresAt, level, round };
  }

  async run(): Promise<void> {
    const { toolCallId, tool } = this.#gate.call;
    const callTool = toolActivity(tool);
    try {
      for (;;) {
        if (this.#state === 'waiting') {
          await this.#gate.pass(() => this.#view.show());
          this.#become('running');
        }
        const since = this.#inbox.inputCount;
        const answer = await callTool({ sessionId: this.#sessionId, toolCallId, tool });
        if (answer.kind === 'settled') break;
        if (answer.kind === 'refused') throw new TurnOver();
        if (answer.kind === 'question') {
          await this.#untilAnswered(answer.question, since);
          continue;
        }
        if (answer.kind === 'asked') this.#gate.ask(answer.call);
        this.#become('waiting');
      }
    } finally {
      this.#gate.close();
    }
    this.#become('settled');
  }

  async #untilAnswered(question: OpenQuestion, since: number): Promise<void> {
    this.#gate.close();
    this.#question = question;
    this.#become('asking');
    await untilAnswered(question.requestId, this.#inbox, since);
    this.#become('running');
  }

  #become(state: GateState['state']): void {
    const wasShown = this.waiting() !== null;
    this.#state = state;
    this.#since = Date.now();
    if (this.waiting() !== null) this.#view.show();
    else if (wasShown) this.#view.showLater();
  }
}
