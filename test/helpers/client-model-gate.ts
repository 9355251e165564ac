import { undecided } from '../../src/client/index.ts';
import type { Session } from '../../src/client/session.ts';
import type { Json, SessionSnapshot, ToolCall } from '../../src/client/state.ts';
import type { ReferenceSession } from './reference-session.ts';

/** What the client's person decides and answers, and whether that is what came of it. */
export class ModelPerson {
  readonly #client: Session;
  readonly #faults: string[];
  /** What was shown when it was decided, by call. */
  readonly #shown = new Map<string, string[]>();
  #waiting = 0;

  constructor(client: Session, faults: string[]) {
    this.#client = client;
    this.#faults = faults;
  }

  /** Decides one of the calls that wait: approves, rejects, or approves something else. */
  decide(n: number): void {
    const waiting = undecided(this.#client.getSnapshot());
    const call = waiting[n % Math.max(1, waiting.length)];
    if (!call) return;
    this.#shown.set(call.id, [...(this.#shown.get(call.id) ?? []), JSON.stringify(call.arguments)]);
    const edited = n % 5 === 0 ? { arguments: { n, edited: true } } : {};
    this.#expect(
      this.#client.decide(call.id, { approved: n % 4 !== 0, ...edited }),
      `decision on ${call.id}`,
    );
  }

  reply(n: number): void {
    const { inputs, queue } = this.#client.getSnapshot();
    const input = inputs[n % Math.max(1, inputs.length)];
    if (!input || queue.some((item) => item.kind === 'answer' && item.requestId === input.request_id)) return;
    const action = n % 3 === 0 ? 'decline' : 'accept';
    this.#expect(this.#client.answer(input.request_id, { action }), `answer to ${input.request_id}`);
  }

  /** At the end: nothing waits, what was decided is what was shown, and the snapshot says what is so. */
  compare(truth: ReferenceSession, same: (what: string, is: unknown, should: unknown) => void): void {
    same('decisions and answers without an answer', this.#waiting, 0);
    const view = this.#client.getSnapshot();
    for (const call of truth.gate.calls) {
      for (const decided of call.decidedByUser.map((args) => JSON.stringify(args))) {
        const shown = this.#shown.get(call.id) ?? [];
        if (!shown.includes(decided)) {
          this.#faults.push(`${call.id} was decided as ${decided}, and ${shown.join(' or ')} was shown`);
        }
      }
      // What is over may have been read from the history, which says less.
      if (call.turnId !== truth.turn?.id) continue;
      same(call.id, view.toolCalls[call.id] && callOf(view.toolCalls[call.id] as ToolCall), trueCall(call));
    }
    same('inputs', inputsOf(view), openQuestions(truth));
    const answers = truth.gate.questions.filter(({ turnId }) => turnId === truth.turn?.id);
    for (const { id, answer } of answers.filter((question) => question.answer !== null)) {
      const resolved = view.resolvedInputs.find(({ request }) => request.request_id === id);
      same(`answer to ${id}`, resolved && { action: resolved.action, by: resolved.by }, answer);
    }
  }

  #expect(answer: Promise<unknown>, what: string): void {
    this.#waiting += 1;
    answer.then(
      () => {
        this.#waiting -= 1;
      },
      (error: { code?: string }) => {
        this.#waiting -= 1;
        if (error.code !== 'conflict') this.#faults.push(`${what} was refused: ${error}`);
      },
    );
  }
}

function inputsOf(view: SessionSnapshot): string[] {
  return view.inputs.map((input) => input.request_id);
}

function openQuestions(truth: ReferenceSession): string[] {
  return truth.gate.questions.filter(({ answer }) => answer === null).map(({ id }) => id);
}

function callOf(call: ToolCall): Record<string, Json> {
  const { approval, decision, status, originalArguments, lateResults } = call;
  return {
    status,
    arguments: call.arguments,
    originalArguments,
    approval: approval && {
      round: approval.round,
      level: approval.level,
      needed: approval.needed,
      votes: approval.approvals.map(({ by }) => by),
      reminders: approval.reminders,
    },
    decision: decision && { decision: decision.decision, by: decision.by },
    late: lateResults.map(({ attempt }) => attempt),
  };
}

function trueCall(call: ReferenceSession['gate']['calls'][number]): Record<string, Json> {
  const { status, round, level, needed, votes, reminders, decision, late } = call;
  return {
    status,
    arguments: call.arguments,
    originalArguments: call.originalArguments,
    approval: status === 'waiting_approval' ? { round, level, needed, votes, reminders } : null,
    decision,
    late: Array.from({ length: Math.min(late, 10) }, (_, index) => late - Math.min(late, 10) + index + 1),
  };
}
