import type { Json } from '../../src/client/index.ts';
import type { EventBody, EventType } from '../../src/protocol/server-frames.ts';

type Append = <T extends EventType>(type: T, body: EventBody<T>, turnId: string) => void;
type Ack = Record<string, unknown>;

/** Whoever else may decide. */
const other = 'v';
const at = 1_700_000_000_000;

/** A tool call as it is in truth. */
export interface TrueCall {
  id: string;
  turnId: string;
  status: 'waiting_approval' | 'approved' | 'completed' | 'rejected';
  arguments: Json;
  originalArguments: Json;
  round: number;
  level: number;
  needed: number;
  votes: string[];
  reminders: number;
  decision: { decision: 'approved' | 'rejected'; by: string } | null;
  late: number;
  /** What the client's user approved or rejected, as it was then. */
  decidedByUser: Json[];
}

export interface TrueQuestion {
  id: string;
  turnId: string;
  answer: { action: string; by: string } | null;
}

/** The gate and the questions of a session, said as simply as possible. */
export class ReferenceGate {
  readonly calls: TrueCall[] = [];
  readonly questions: TrueQuestion[] = [];
  readonly #append: Append;

  constructor(append: Append) {
    this.#append = append;
  }

  hasOpen(turnId: string): boolean {
    return this.calls.some(
      (call) => call.turnId === turnId && call.status !== 'completed' && call.status !== 'rejected',
    );
  }

  /** @param needed how many have to approve */
  propose(call: { id: string; turnId: string; messageId: string; needed: number }): void {
    const { id, turnId, messageId, needed } = call;
    const args = { n: 1 };
    const body = { tool_call_id: id, message_id: messageId, tool: 'a.b', arguments: args } as const;
    this.#append('tool_call', { ...body, gate: 'ask', rule: 'r', reason: 'why' }, turnId);
    const fresh = { votes: [], reminders: 0, decision: null, late: 0, decidedByUser: [] };
    const asked: TrueCall = {
      ...{ id, turnId, needed, ...fresh },
      status: 'waiting_approval',
      arguments: args,
      originalArguments: null,
      round: 1,
      level: 0,
    };
    this.calls.push(asked);
    this.#ask(asked);
  }

  /** A new round: somebody edited it, its tool changed, or nobody decided in time (then approvals stay). */
  askAgain(which: number, args: Json): void {
    const call = this.#waiting(which) ?? this.calls.find(({ status }) => status === 'approved');
    if (!call) return;
    const isWaiting = call.status === 'waiting_approval';
    call.status = 'waiting_approval';
    call.decision = null;
    if (isWaiting && which % 2 === 0) {
      call.level += 1;
      this.#ask(call, 'escalated');
      return;
    }
    this.#begin(call);
    if (!isWaiting || which % 3 === 0) this.#ask(call, 'tool_changed');
    else this.#edit(call, args);
  }

  /** Somebody else approves; the last one that is needed decides. */
  vote(which: number): void {
    const call = this.#waiting(which);
    if (call) this.#approve(call, other);
  }

  remind(which: number): void {
    const call = this.#waiting(which);
    if (!call) return;
    call.reminders += 1;
    const told = { number: call.reminders, expires_at: at + call.reminders, approvers: ['u', other] };
    this.#append('tool_approval_reminder', { tool_call_id: call.id, ...told }, call.turnId);
  }

  /** Runs the oldest open call, which somebody else approves where nobody has. Answers it. */
  run(): TrueCall | undefined {
    const call = this.calls.find(({ status }) => status === 'approved' || status === 'waiting_approval');
    if (!call) return undefined;
    if (call.status === 'waiting_approval') this.#resolve(call, 'approved', other);
    this.#append('tool_started', { tool_call_id: call.id, attempt: 1 }, call.turnId);
    call.status = 'completed';
    const result = { tool_call_id: call.id, status: 'completed', result: 'done', error: null } as const;
    this.#append('tool_result', result, call.turnId);
    return call;
  }

  late(turnId: string | undefined): void {
    const call = this.calls.findLast((one) => one.turnId === turnId && one.status === 'completed');
    if (!call) return;
    call.late += 1;
    const late = { attempt: call.late, status: 'failed', result: 'late', error: null } as const;
    this.#append('tool_late_result', { tool_call_id: call.id, ...late }, call.turnId);
  }

  question(id: string, turnId: string): void {
    this.questions.push({ id, turnId, answer: null });
    const body = {
      request_id: id,
      kind: 'elicitation',
      message: `${id}?`,
      schema: { type: 'object' },
    } as const;
    this.#append('input_request', body, turnId);
  }

  /** Somebody else answers, or the turn ends. */
  resolveQuestions(turnId: string | null): void {
    const open = this.questions.filter(({ answer }) => answer === null);
    if (turnId === null) {
      if (open[0]) this.#answer(open[0], 'decline', other);
      return;
    }
    for (const question of open) {
      if (question.turnId === turnId) this.#answer(question, 'cancel', 'turngate');
    }
  }

  /** A decision of the client's user. Answers what the gateway says. */
  decide(frame: Record<string, unknown>): Ack {
    const call = this.calls.find(({ id }) => id === frame.tool_call_id);
    if (!call) return { type: 'error', code: 'not_found', error: 'There is no such call.' };
    const wanted = frame.approved === true ? 'approved' : 'rejected';
    const { decision } = call;
    if (decision) {
      const isSame = decision.by === 'u' && decision.decision === wanted;
      const stands = { tool_call_id: call.id, at, ...decision };
      return { type: 'ack', disposition: isSame ? 'recorded' : 'conflict', decision: stands };
    }
    const isShown = frame.arguments_hash === hashOf(call) && frame.tool_hash === toolHashOf(call);
    // One that says no hash is about whatever waits.
    if (frame.arguments_hash !== undefined && !isShown) {
      return { type: 'error', code: 'conflict', error: 'Something else waits.' };
    }
    const approvals = { needed: call.needed, approvals: call.votes.length };
    if (call.votes.includes('u') && wanted === 'approved') {
      return { type: 'ack', disposition: 'recorded', ...approvals };
    }
    call.decidedByUser.push(call.arguments);
    if (wanted === 'rejected') this.#resolve(call, 'rejected', 'u');
    else this.#approve(call, 'u', frame.arguments as Json | undefined);
    return { type: 'ack', disposition: 'recorded', needed: call.needed, approvals: call.votes.length };
  }

  /** An answer of the client's user. */
  reply(frame: Record<string, unknown>): Ack {
    const question = this.questions.find(({ id }) => id === frame.request_id);
    if (!question) return { type: 'error', code: 'not_found', error: 'There is no such question.' };
    const { answer } = question;
    if (!answer) this.#answer(question, frame.action as 'accept', 'u');
    const isSame = !answer || (answer.by === 'u' && answer.action === frame.action);
    const input = { request_id: question.id, at, ...question.answer };
    return { type: 'ack', disposition: isSame ? 'recorded' : 'conflict', input };
  }

  #approve(call: TrueCall, by: string, args?: Json): void {
    if (args !== undefined && call.needed > 1) {
      // The others have to see what they approve.
      this.#begin(call);
      this.#edit(call, args);
    }
    if (!call.votes.includes(by)) call.votes.push(by);
    if (call.votes.length >= call.needed) {
      this.#resolve(call, 'approved', by, call.needed > 1 ? undefined : args);
      return;
    }
    const vote = { tool_call_id: call.id, by, at, approvals: call.votes.length, needed: call.needed };
    this.#append('tool_approval_vote', vote, call.turnId);
  }

  #resolve(call: TrueCall, decision: 'approved' | 'rejected', by: string, args?: Json): void {
    call.status = decision;
    call.decision = { decision, by };
    if (args !== undefined) {
      call.originalArguments ??= call.arguments;
      call.arguments = args;
    }
    const isEdited = decision === 'approved' && call.originalArguments !== null;
    const edited = isEdited ? { arguments: call.arguments, original_arguments: call.originalArguments } : {};
    this.#append(
      'tool_approval_resolved',
      { tool_call_id: call.id, decision, by, at, ...edited },
      call.turnId,
    );
    if (decision === 'approved') return;
    const result = { tool_call_id: call.id, status: 'rejected', result: null, error: null } as const;
    this.#append('tool_result', result, call.turnId);
  }

  #begin(call: TrueCall): void {
    call.round += 1;
    call.votes = [];
    call.reminders = 0;
  }

  #edit(call: TrueCall, args: Json): void {
    call.originalArguments ??= call.arguments;
    call.arguments = args;
    this.#ask(call, 'edited');
  }

  #ask(call: TrueCall, because?: 'escalated' | 'edited' | 'tool_changed'): void {
    const { id, round, level, needed, turnId } = call;
    const hashes = { arguments_hash: hashOf(call), tool_hash: toolHashOf(call) };
    const what = { tool_call_id: id, tool: 'a.b', arguments: call.arguments, ...hashes, reason: 'why' };
    const again = because === undefined ? {} : { because };
    const terms = { expires_at: at, approvers: ['u', other], needed, round, level, ...again };
    this.#append('tool_approval_request', { ...what, ...terms }, turnId);
  }

  #answer(question: TrueQuestion, action: 'accept' | 'decline' | 'cancel', by: string): void {
    question.answer = { action, by };
    this.#append('input_resolved', { request_id: question.id, action, by, at }, question.turnId);
  }

  #waiting(which: number): TrueCall | undefined {
    const waiting = this.calls.filter(({ status }) => status === 'waiting_approval');
    return waiting[which % Math.max(1, waiting.length)];
  }
}

function hashOf(call: TrueCall): string {
  return `hash of ${JSON.stringify(call.arguments)}`;
}

/** Another one for each round, as a tool that changes would have. */
function toolHashOf(call: TrueCall): string {
  return `tool of round ${call.round}`;
}
