import { ApplicationFailure, Context } from '@temporalio/activity';
import { publishEvents } from '../live/publish-events.ts';
import { cleanJson, cleanText } from '../protocol/text.ts';
import { type CallEnd, type CallOutcome, finishCall } from '../store/call-end.ts';
import { letCallGo } from '../store/elicitations.ts';
import { toolOfCall } from '../store/ledger-row.ts';
import { BEGUN_MAX } from '../store/lost-call.ts';
import type { OpenQuestion } from '../store/steps.ts';
import { beginCall, type CallBeginning, endLease } from '../store/tool-calls.ts';
import { readTurnState } from '../store/turns.ts';
import { giveBackUnsent } from '../store/unsent-call.ts';
import type { ToolOutcome } from '../tools/port.ts';
import { startBeat } from './beat.ts';
import type { Activities, CallAnswer } from './contract.ts';
import type { ActivityDeps } from './deps.ts';
import { Elicitor } from './elicit.ts';
import { lookAt, mayTryAgain } from './inspect-call.ts';
import { keepLease, LEASE_MS, type Lease } from './lease.ts';
import { persist } from './persist.ts';
import { stopReason, watchStop } from './stop-watch.ts';
import { tend } from './tend.ts';

const LEASE_LOOK_MS = 500;
const FINISH_FOR_MS = 300_000;
/** A call that is given up without anybody's wish is heard out for this long: its answer may be on its way. */
const HEAR_OUT_MS = 300;

/** One tool call: enforces the decision, commits the intent, calls, commits the result. Safe to run again at any point. */
export function createCallTool(deps: ActivityDeps): Activities['callTool'] {
  return async ({ sessionId, toolCallId, tool }) => {
    const context = Context.current();
    const runId = context.info.workflowExecution?.runId ?? '';
    const call = tool ?? (await toolOfCall(deps.db, toolCallId));
    for (;;) {
      // Looked at anew after each wait: what counts is what is there immediately before it runs.
      const look = lookAt(deps, call);
      const beginning = await beginCall(deps.db, {
        sessionId,
        toolCallId,
        runId,
        leaseMs: LEASE_MS,
        look,
        questionMs: deps.config.APPROVAL_TIMEOUT_MS,
        debug: deps.debug,
        asksFirst: deps.tools.asksFirst(call),
        mayWait: mayTryAgain(deps),
      });
      if (beginning.kind === 'leased') {
        context.heartbeat();
        // A server that is slow to answer is not asked again meanwhile.
        await Promise.allSettled([look]);
        await context.sleep(Math.min(beginning.forMs, LEASE_LOOK_MS));
      } else if (beginning.kind === 'begin') {
        publishEvents(deps.live, sessionId, beginning.events);
        return new CallRun(deps, sessionId, beginning).run();
      } else if (beginning.kind === 'undecided') {
        // Its workflow may not know how it waits: the answer of the attempt that asked people was lost.
        const tended = await tend(deps, { sessionId, toolCallId });
        if (tended.kind === 'waiting') return { kind: 'asked', call: tended.call };
      } else if (beginning.kind === 'away') {
        throw ApplicationFailure.create({ type: 'Call.ServerAway', message: beginning.why });
      } else {
        if ('events' in beginning) publishEvents(deps.live, sessionId, beginning.events);
        return toAnswer(beginning);
      }
    }
  };
}

function toAnswer(
  beginning: Exclude<CallBeginning, { kind: 'leased' | 'begin' | 'undecided' | 'away' }>,
): CallAnswer {
  if (beginning.kind === 'closed') return { kind: 'settled', status: beginning.status };
  if (beginning.kind === 'asked') return { kind: 'asked', call: beginning.call };
  if (beginning.kind === 'question') return { kind: 'question', question: beginning.question };
  return { kind: beginning.kind === 'ended' ? 'refused' : beginning.kind };
}

type Begun = Extract<CallBeginning, { kind: 'begin' }>;

/** One attempt of one call. */
class CallRun {
  readonly #deps: ActivityDeps;
  readonly #sessionId: string;
  readonly #begun: Begun;
  readonly #context = Context.current();

  constructor(deps: ActivityDeps, sessionId: string, begun: Begun) {
    this.#deps = deps;
    this.#sessionId = sessionId;
    this.#begun = begun;
  }

  async run(): Promise<CallAnswer> {
    const { call, attempt, since } = this.#begun;
    const about = { sessionId: this.#sessionId, turnId: call.turnId, attempt, toolCallId: call.toolCallId };
    const stop = watchStop(this.#context, this.#deps.nudges, call.turnId);
    const beat = startBeat(this.#context, this.#deps.live, about, attempt > 1 ? 'retrying' : 'running_tool');
    const lease = keepLease(this.#deps, { toolCallId: call.toolCallId, attempt, since }, stop);
    const halt = new AbortController();
    this.#forward(stop.signal, lease, halt);
    const elicitor = new Elicitor(this.#deps, about, {
      isHeld: this.#deps.tools.asksFirst(call.tool),
      beat,
      halt: halt.signal,
      onLong: () => halt.abort(new Error('the call is let go until people have answered')),
    });
    try {
      if (!(await lease.holds())) throw stopReason(this.#context);
      const outcome = await this.#call(halt.signal, elicitor);
      if (isServerGone(outcome)) {
        await elicitor.settled();
        if (elicitor.standing) return await this.#letGo(elicitor.standing);
      }
      await this.#giveToNextAttempt(outcome);
      return await this.#finish(toClosing(outcome, this.#begun));
    } catch (error) {
      if (!halt.signal.aborted) throw error;
      return await this.#finishStopped(lease.lost(), elicitor.standing);
    } finally {
      lease.end();
      beat.stop();
      stop.end();
    }
  }

  /**
   * What got no answer is sent again, with the same key, where that is safe. A call without an effect is so only where
   * its server ended: whoever waited for another timeout in vain can as well ask anew.
   * @throws ApplicationFailure for Temporal, which makes the next attempt
   */
  async #giveToNextAttempt(outcome: ToolOutcome): Promise<void> {
    const { attempt, repeatable, readOnly } = this.#begun;
    if (outcome.status === 'failed') return this.#giveBackUnsent(outcome);
    if (outcome.status !== 'unknown' || !repeatable || attempt >= BEGUN_MAX) return;
    if (readOnly && !isServerGone(outcome)) return;
    await this.#endLease();
    throw ApplicationFailure.create({ type: 'Call.ServerLost', message: outcome.error.message });
  }

  /** The next attempt need not wait until it lapses: nothing more is sent under it. */
  #endLease(): Promise<void> {
    const { call, attempt } = this.#begun;
    return endLease(this.#deps.db, { toolCallId: call.toolCallId, attempt });
  }

  /** What its server did not get is looked at anew by the next attempt, and asked about where it is another tool now. */
  async #giveBackUnsent(outcome: Extract<ToolOutcome, { status: 'failed' }>): Promise<void> {
    const { call, attempt } = this.#begun;
    // It may have been begun often before: let go at questions, or because somebody said so.
    const isTriedOften = attempt >= BEGUN_MAX && this.#context.info.attempt >= BEGUN_MAX;
    if (outcome.isUnsent !== true || isTriedOften || !mayTryAgain(this.#deps)) return;
    const at = { sessionId: this.#sessionId, toolCallId: call.toolCallId, attempt };
    const isGiven = await this.#persist('that a tool call was not sent', () =>
      giveBackUnsent(this.#deps.db, at),
    );
    if (!isGiven) return;
    throw ApplicationFailure.create({ type: 'Call.ServerAway', message: outcome.error.message });
  }

  /** Stops the call: at once where somebody wishes it, else when what may be on its way has been heard. */
  #forward(stop: AbortSignal, lease: Lease, halt: AbortController): void {
    const give = () => {
      const isWished = !lease.lost() && !isLostToTemporal(this.#context);
      if (isWished) halt.abort(stop.reason);
      else setTimeout(() => halt.abort(stop.reason), HEAR_OUT_MS);
    };
    if (stop.aborted) give();
    else stop.addEventListener('abort', give, { once: true });
  }

  #call(signal: AbortSignal, elicitor: Elicitor): Promise<ToolOutcome> {
    const { call, toolHash } = this.#begun;
    const { toolCallId, tool, arguments: args } = call;
    return this.#deps.tools.call({
      tool,
      toolHash,
      arguments: args,
      toolCallId,
      signal,
      onElicit: (elicitation) => elicitor.ask(elicitation),
      onProgress: (progress) =>
        this.#deps.live.publish({
          kind: 'notice',
          sessionId: this.#sessionId,
          frame: { type: 'tool_progress', tool_call_id: toolCallId, ...progress },
        }),
    });
  }

  /** Stopped in the middle: what may be repeated is, by another attempt; of anything else the outcome is not known. */
  async #finishStopped(leaseLost: boolean, standing: OpenQuestion | null): Promise<CallAnswer> {
    if (leaseLost) throw stopReason(this.#context);
    const state = await readTurnState(this.#deps.db, this.#begun.call.turnId);
    if (state?.status !== 'running') return { kind: 'refused' };
    const cancelled = state.cancelRequested || this.#context.cancellationDetails?.cancelRequested === true;
    if (!cancelled && standing) return this.#letGo(standing);
    if (!cancelled && this.#begun.repeatable) {
      await this.#endLease();
      throw stopReason(this.#context);
    }
    if (!cancelled) return this.#finish({ ...stoppedClosing, how: 'lost' });
    return this.#finish(this.#begun.readOnly ? cancelledClosing : stoppedClosing);
  }

  /** It stands at a question and has done nothing: when that is answered it is made again. */
  async #letGo(question: OpenQuestion): Promise<CallAnswer> {
    const { call, attempt } = this.#begun;
    const at = { sessionId: this.#sessionId, toolCallId: call.toolCallId, attempt };
    if (await letCallGo(this.#deps.db, at)) return { kind: 'question', question };
    throw stopReason(this.#context);
  }

  #persist<T>(what: string, write: () => Promise<T>): Promise<T> {
    const { logger } = this.#deps;
    const signal = AbortSignal.timeout(FINISH_FOR_MS);
    return persist(write, { forMs: FINISH_FOR_MS, signal, logger, what });
  }

  async #finish(closing: Closing): Promise<CallAnswer> {
    const { call, attempt } = this.#begun;
    const outcome = { sessionId: this.#sessionId, toolCallId: call.toolCallId, attempt, ...closing };
    const options = { questionTimeoutMs: this.#deps.config.APPROVAL_TIMEOUT_MS };
    const write = () => finishCall(this.#deps.db, outcome, options);
    const end: CallEnd = await this.#persist('the result of a tool call', write);
    publishEvents(this.#deps.live, this.#sessionId, end.events);
    // If Temporal still counts on this attempt, it asks for another, which learns how the call stands.
    if (end.kind === 'superseded') throw stopReason(this.#context);
    if (end.kind === 'question') return { kind: 'question', question: end.question };
    return { kind: 'settled', status: end.status };
  }
}

function isServerGone(outcome: ToolOutcome): outcome is Extract<ToolOutcome, { status: 'unknown' }> {
  return outcome.status === 'unknown' && outcome.isServerGone === true;
}

/** Nobody wishes it to stop: its worker is going down, or Temporal has taken it for dead. */
function isLostToTemporal(context: Context): boolean {
  return context.cancellationSignal.aborted && context.cancellationDetails?.cancelRequested !== true;
}

type Closing = Pick<CallOutcome, 'status' | 'result' | 'text' | 'error' | 'how'>;

/** Nobody knows whether the call took effect: this attempt got no answer, or was not sent after one that got none. */
function isOpen(outcome: Exclude<ToolOutcome, { status: 'completed' }>, { wasLost }: Begun): boolean {
  return outcome.status === 'unknown' || (wasLost && outcome.isUnsent === true);
}

function toClosing(outcome: ToolOutcome, begun: Begun): Closing {
  const text = cleanText(outcome.text);
  const result = outcome.status === 'unknown' ? null : cleanJson(outcome.result);
  if (outcome.status === 'completed')
    return { status: 'completed', how: 'answered', result, text, error: null };
  const said = { result, text, error: outcome.error };
  if (!isOpen(outcome, begun)) return { status: 'failed', how: 'answered', ...said };
  // What has no effect has failed, and nobody need wonder.
  return begun.readOnly
    ? { status: 'failed', how: 'stopped', ...said }
    : { status: 'unknown', how: 'lost', ...said };
}

const cancelledClosing: Closing = {
  how: 'stopped',
  status: 'cancelled',
  result: null,
  text: 'The turn was cancelled while this tool was running.',
  error: null,
};

const stoppedClosing: Closing = {
  how: 'stopped',
  status: 'unknown',
  result: null,
  text: 'The call was stopped after it had been sent. Its effect may or may not have happened.',
  error: {
    code: 'tool_error',
    message: 'The call was stopped after it had been sent; whether its effect happened is not known.',
  },
};
