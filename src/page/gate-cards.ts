import {
  type Answer,
  type Decision,
  isDeciding,
  type Session,
  type SessionSnapshot,
  type ToolCall,
} from '../client/index.ts';
import type { ApprovalAbout } from './approval-form.ts';
import { faultText } from './fault-text.ts';
import { Keyed } from './keyed.ts';
import { QuestionCard, type QuestionState } from './question-card.ts';
import { ToolCard, type ToolState } from './tool-card.ts';

export type ReadAbout = (toolCallId: string) => Promise<ApprovalAbout>;

/** The cards of tool calls and questions, and what people say on them. */
export class GateCards {
  readonly #session: Session;
  readonly #readAbout: ReadAbout;
  readonly #onChange: () => void;
  readonly #tools: Keyed<ToolState, ToolCard>;
  readonly #questions: Keyed<QuestionState, QuestionCard>;
  readonly #states = new Map<string, ToolState | QuestionState>();
  /** What was wrong with the last decision or answer, by its call or question. */
  readonly #faults = new Map<string, string>();
  /** By call and round; null while it is read. */
  readonly #abouts = new Map<string, ApprovalAbout | null>();

  /** @param onChange called when there is something else to show */
  constructor(session: Session, readAbout: ReadAbout, onChange: () => void) {
    this.#session = session;
    this.#readAbout = readAbout;
    this.#onChange = onChange;
    this.#tools = new Keyed<ToolState, ToolCard>(() => new ToolCard((...said) => this.#decide(...said)));
    this.#questions = new Keyed<QuestionState, QuestionCard>(
      (state) => new QuestionCard(state, (...said) => this.#answer(...said)),
    );
  }

  /** Of each message the cards that follow it: its tool calls, with the questions about them; then those of its turn. */
  show(at: SessionSnapshot): Map<string, Element[]> {
    const calls = at.messages.flatMap(({ toolCallIds }) =>
      toolCallIds.flatMap((id) => at.toolCalls[id] ?? []),
    );
    const states = calls.map((call) => this.#toolState(at, call));
    const cards = this.#tools.show(states, ({ call }) => call.id);
    const questions = questionStates(at, this.#faults).map((state) =>
      this.#same(state.request.request_id, state),
    );
    const asked = this.#questions.show(questions, ({ request }) => request.request_id);
    const cardOf = new Map(calls.map((call, index) => [call.id, cards[index]]));
    const lastOfTurn = new Map(at.messages.map(({ id, turnId }) => [turnId, id]));
    return new Map(
      at.messages.map(({ id, toolCallIds, turnId }) => {
        const own = toolCallIds.flatMap((callId) => [
          cardOf.get(callId),
          ...asked.filter((_, index) => questions[index]?.request.tool_call_id === callId),
        ]);
        const others = asked.filter((_, index) => {
          const { tool_call_id: about = '', turn_id: turn } = questions[index]?.request ?? {};
          return !cardOf.has(about) && turn === turnId && lastOfTurn.get(turnId) === id;
        });
        return [id, [...own, ...others].filter((element) => element !== undefined)];
      }),
    );
  }

  #toolState(at: SessionSnapshot, call: ToolCall): ToolState {
    const fault = this.#faults.get(call.id) ?? null;
    const userId = at.user?.id ?? null;
    return this.#same(call.id, {
      call,
      userId,
      fault,
      isDeciding: isDeciding(at, call),
      about: call.approval ? this.#about(call.id, call.approval.round) : null,
    });
  }

  /** The same object while nothing of it has changed. */
  #same<T extends ToolState | QuestionState>(id: string, state: T): T {
    const known = this.#states.get(id);
    const isSame =
      known && Object.entries(state).every(([name, value]) => Reflect.get(known, name) === value);
    if (isSame) return known as T;
    this.#states.set(id, state);
    return state;
  }

  /** Read once for each round. */
  #about(toolCallId: string, round: number): ApprovalAbout | null {
    const key = `${toolCallId} ${round}`;
    const known = this.#abouts.get(key);
    if (known !== undefined) return known;
    this.#abouts.set(key, null);
    this.#readAbout(toolCallId).then(
      (about) => {
        this.#abouts.set(key, about);
        this.#onChange();
      },
      // Without it the call can still be decided, only not so well.
      (error: unknown) => console.warn(error),
    );
    return null;
  }

  #decide(toolCallId: string, decision: Decision): void {
    this.#note(toolCallId, '');
    this.#session.decide(toolCallId, decision).then(
      ({ disposition, decision: stands }) => {
        if (disposition !== 'conflict') return;
        this.#note(toolCallId, `Somebody was quicker: ${stands?.decision} by ${stands?.by}.`);
      },
      (error: unknown) => this.#note(toolCallId, faultText(error)),
    );
  }

  #answer(requestId: string, answer: Answer): void {
    this.#note(requestId, '');
    this.#session.answer(requestId, answer).then(
      () => undefined,
      (error: unknown) => this.#note(requestId, faultText(error)),
    );
  }

  #note(id: string, words: string): void {
    if ((this.#faults.get(id) ?? '') === words) return;
    if (words === '') this.#faults.delete(id);
    else this.#faults.set(id, words);
    this.#onChange();
  }
}

function questionStates(at: SessionSnapshot, faults: ReadonlyMap<string, string>): QuestionState[] {
  const over = at.resolvedInputs.map((resolved) => ({
    ...{ request: resolved.request, resolved, isAnswering: false, fault: null },
  }));
  const open = at.inputs.map((request) => ({
    request,
    resolved: null,
    isAnswering: at.queue.some((item) => item.kind === 'answer' && item.requestId === request.request_id),
    fault: faults.get(request.request_id) ?? null,
  }));
  return [...over, ...open];
}
