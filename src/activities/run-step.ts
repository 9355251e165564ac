import { Context } from '@temporalio/activity';
import { publishEvents } from '../live/publish-events.ts';
import type { ModelAnswer, ModelRequest } from '../model/port.ts';
import { cleanText } from '../protocol/text.ts';
import type { TurnLimits } from '../protocol/turn-limits.ts';
import type { StoredEvent } from '../store/events.ts';
import { requesterOf } from '../store/requester.ts';
import { closeStep, type StepClosing } from '../store/step-close.ts';
import { countFailure } from '../store/step-failure.ts';
import { type OpenStep, openStep } from '../store/steps.ts';
import { readTurnState } from '../store/turns.ts';
import type { Spent } from '../store/usage.ts';
import { type AgentDefinition, mayUse } from '../tools/agent.ts';
import type { ToolDescriptor } from '../tools/port.ts';
import { ArgumentCheck } from './argument-check.ts';
import { startBeat } from './beat.ts';
import type { Activities, StepAnswer } from './contract.ts';
import type { ActivityDeps } from './deps.ts';
import { readParts } from './model-attachments.ts';
import { toModelMessages, toModelTools } from './model-messages.ts';
import { persist } from './persist.ts';
import { type ProposalContext, proposeCalls } from './propose-calls.ts';
import { checkPrice, toFailure, turnBusy } from './step-failure.ts';
import { noteChoices, noteProgress } from './step-notices.ts';
import { spentOn } from './step-spending.ts';
import { stopReason, watchStop } from './stop-watch.ts';
import { TextStream } from './text-stream.ts';

const CLOSE_FOR_MS = 60_000;
const FINISH_REASON_CHARS_MAX = 64;

/** One model call: opens the step, streams, closes it. Safe to run again at any point. */
export function createRunStep(deps: ActivityDeps): Activities['runStep'] {
  return async ({ sessionId, step }) => {
    const { workflowExecution } = Context.current().info;
    const limits = await deps.limits.current();
    const [{ opening, committed }, tools] = await Promise.all([
      openStep(deps.db, {
        sessionId,
        step,
        runId: workflowExecution?.runId ?? '',
        workflowId: workflowExecution?.workflowId ?? '',
        historyMessages: deps.config.HISTORY_MESSAGES,
        limits,
        questionMs: deps.config.APPROVAL_TIMEOUT_MS,
        debug: deps.debug,
      }),
      deps.tools.list(),
    ]);
    if (opening.kind !== 'open') {
      publishEvents(deps.live, sessionId, await committed);
      if (opening.kind === 'busy') throw turnBusy();
      if (opening.kind === 'question') return opening;
      return opening.kind === 'closed' ? opening.result : { kind: opening.kind };
    }
    return new StepRun(deps, { sessionId, step, limits, opening, committed, tools }).run();
  };
}

interface OpenedStep {
  sessionId: string;
  step: number;
  limits: TurnLimits;
  opening: OpenStep;
  committed: Promise<StoredEvent[]>;
  tools: ToolDescriptor[];
}

/** One attempt of one step. */
class StepRun {
  readonly #deps: ActivityDeps;
  readonly #at: OpenedStep;
  readonly #context = Context.current();
  readonly #stream: TextStream;
  readonly #argumentCheck: ArgumentCheck;
  readonly #beganAt = Date.now();
  #model: string | null = null;
  #request: ModelRequest | null = null;
  #answer: ModelAnswer | null = null;
  #firstTokenMs: number | null = null;

  constructor(deps: ActivityDeps, at: OpenedStep) {
    this.#deps = deps;
    this.#at = at;
    const { messageId, attempt } = at.opening;
    this.#argumentCheck = new ArgumentCheck(at.opening.misfits, deps.config.INVALID_CALLS_MAX);
    this.#stream = new TextStream(deps.live, { sessionId: at.sessionId, messageId, attempt });
  }

  async run(): Promise<StepAnswer> {
    const { opening, sessionId } = this.#at;
    const { turnId, attempt } = opening;
    const stop = watchStop(this.#context, this.#deps.nudges, turnId);
    const stopDraft = this.#deps.drafts.add(this.#stream);
    const about = { sessionId, turnId, attempt };
    const beat = startBeat(this.#context, this.#deps.live, about, attempt > 1 ? 'retrying' : 'thinking');
    try {
      const agent = await this.#deps.loadAgent(opening.agent);
      const tools = this.#at.tools.filter((tool) => mayUse(agent, tool));
      const answer = await this.#callModel(agent, tools, stop.signal, () => beat.show('streaming'));
      await stopDraft();
      return await this.#close(answer, tools);
    } catch (error) {
      await stopDraft();
      if (stop.signal.aborted) return await this.#closeStopped();
      throw await this.#failure(error);
    } finally {
      beat.stop();
      stop.end();
    }
  }

  /** The request overlaps the opening's commit; nothing is shown before that is durable. */
  async #callModel(
    agent: AgentDefinition,
    tools: ToolDescriptor[],
    signal: AbortSignal,
    onFirst: () => void,
  ): Promise<ModelAnswer> {
    const { opening, committed, sessionId } = this.#at;
    const unopened = new AbortController();
    const model = this.#deps.config.TURNGATE_MODEL ?? opening.config.model ?? agent.model;
    this.#model = model;
    const ask = async () => {
      checkPrice(this.#at.limits, model);
      const bounds = { maxBytes: this.#deps.config.ATTACHMENT_MODEL_BYTES, vision: agent.vision };
      const parts = await readParts(this.#deps.attachments, opening.history, bounds);
      const request: ModelRequest = {
        model,
        messages: toModelMessages(agent.instructions, opening.history, parts),
        tools: toModelTools(tools.filter((tool) => !this.#argumentCheck.hasGivenUp(tool.name))),
        temperature: agent.temperature,
        maxOutputTokens: agent.max_output_tokens,
        signal: AbortSignal.any([signal, unopened.signal]),
      };
      this.#request = request;
      this.#answer = await this.#deps.model.stream(request, sink);
      return this.#answer;
    };
    const opened = committed.then(
      (events) => {
        publishEvents(this.#deps.live, sessionId, events);
        noteProgress(this.#deps.live, sessionId, this.#at.step);
        this.#stream.release();
      },
      (error: unknown) => {
        unopened.abort(error);
        throw error;
      },
    );
    const askedAt = Date.now();
    const took = () => {
      this.#firstTokenMs ??= Date.now() - askedAt;
    };
    let first = true;
    const sink = {
      text: (piece: string) => {
        took();
        this.#stream.text(piece);
        if (first) onFirst();
        first = false;
      },
      thought: (piece: string) => {
        took();
        this.#stream.thought(piece);
      },
    };
    const [answer] = await Promise.all([ask(), opened]);
    return answer;
  }

  async #close(answer: ModelAnswer, tools: ToolDescriptor[]): Promise<StepAnswer> {
    const { config, agent, tenant } = this.#at.opening;
    const timeoutMs = config.approval_timeout_ms ?? this.#deps.config.APPROVAL_TIMEOUT_MS;
    const asked = answer.toolCalls;
    const calls =
      asked.length === 0
        ? []
        : proposeCalls(asked, {
            ...(await this.#facts()),
            tools,
            fullName: this.#deps.tools.fullName,
            agent,
            tenant,
            timeoutMs,
            argumentCheck: this.#argumentCheck,
          });
    return this.#commit({
      ...this.#closing(),
      finishReason: cleanText(answer.finishReason).slice(0, FINISH_REASON_CHARS_MAX),
      usage: answer.usage,
      calls,
    });
  }

  /** What the policy needs besides the call. Asked again while the store is away: the model's answer must not be lost. */
  #facts(): Promise<Pick<ProposalContext, 'policy' | 'requester'>> {
    const { sessionId, opening } = this.#at;
    const read = async () => {
      const [policy, requester] = await Promise.all([
        this.#deps.policy.current(),
        requesterOf(this.#deps.db, sessionId, opening.userId),
      ]);
      return { policy, requester };
    };
    return persist(read, {
      forMs: CLOSE_FOR_MS,
      signal: AbortSignal.timeout(CLOSE_FOR_MS),
      logger: this.#deps.logger,
      what: 'the policy in force',
    });
  }

  /** Stopped while the model spoke: a cancelled turn keeps what was said, anything else is for another attempt. */
  async #closeStopped(): Promise<StepAnswer> {
    const state = await readTurnState(this.#deps.db, this.#at.opening.turnId);
    const asked = this.#context.cancellationDetails?.cancelRequested === true;
    if (state?.status !== 'running') return { kind: 'refused' };
    if (!state.cancelRequested && !asked) throw stopReason(this.#context);
    return this.#commit({ ...this.#closing(), cancelled: true });
  }

  #closing(): StepClosing {
    const { sessionId, step, opening } = this.#at;
    const { turnId, messageId, attempt } = opening;
    return {
      sessionId,
      turnId,
      runId: this.#context.info.workflowExecution?.runId ?? '',
      step,
      attempt,
      messageId,
      content: this.#stream.content,
      thought: this.#stream.thoughts,
      finishReason: 'cancelled',
      usage: null,
      calls: [],
      cancelled: false,
      model: this.#model,
      firstTokenMs: this.#firstTokenMs,
      spent: this.#spent(),
      debug: this.#deps.debug,
    };
  }

  #spent(): Spent {
    const saidChars = this.#stream.content.length + this.#stream.thoughts.length;
    const ms = Date.now() - this.#beganAt;
    return spentOn({ request: this.#request, answer: this.#answer, saidChars, ms }, this.#at.limits);
  }

  /** Only what failed here counts: an attempt whose worker was stopped is nobody's failure. */
  async #failure(error: unknown): Promise<unknown> {
    const { turnId, attempt } = this.#at.opening;
    const failed = { turnId, step: this.#at.step, attempt, model: this.#model, spent: this.#spent() };
    const failures = await countFailure(this.#deps.db, failed);
    return toFailure(error, failures, this.#deps.config.MODEL_MAX_ATTEMPTS);
  }

  async #commit(closing: StepClosing): Promise<StepAnswer> {
    const closed = await persist(() => closeStep(this.#deps.db, closing), {
      forMs: CLOSE_FOR_MS,
      // Cancelled or not, what was said is to be kept; only this process's end stops the writing.
      signal: AbortSignal.timeout(CLOSE_FOR_MS),
      logger: this.#deps.logger,
      what: 'the end of a step',
    });
    if (!closed) return { kind: 'refused' };
    publishEvents(this.#deps.live, closing.sessionId, closed.events);
    noteChoices(this.#deps.live, closing.sessionId, closed.result);
    return closed.result;
  }
}
