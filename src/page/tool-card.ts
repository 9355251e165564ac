import { type Decision, shownJson, type ToolCall } from '../client/index.ts';
import { type ApprovalAbout, ApprovalForm } from './approval-form.ts';
import { h, setText } from './dom.ts';
import { decisionText } from './gate-text.ts';

const words: Record<ToolCall['status'], string> = {
  proposed: 'about to run',
  waiting_approval: 'waits for your decision',
  approved: 'approved',
  running: 'running',
  completed: 'done',
  failed: 'failed',
  rejected: 'rejected',
  denied: 'denied',
  cancelled: 'cancelled',
  unknown: 'outcome unknown',
};
const mostResultChars = 20_000;

export interface ToolState {
  call: ToolCall;
  about: ApprovalAbout | null;
  userId: string | null;
  /** A decision was sent and is not answered. */
  isDeciding: boolean;
  /** What was wrong with the last decision. */
  fault: string | null;
}

export type Decide = (toolCallId: string, decision: Decision) => void;

/** One tool call: what it is to do, what the gate says, what came of it; and where it waits, how to decide it. */
export class ToolCard {
  readonly element: HTMLElement;
  readonly #name = h('strong');
  readonly #status = h('span', { class: 'status' });
  readonly #reason = h('p', { class: 'why' });
  readonly #arguments = h('pre', { class: 'arguments' });
  readonly #original = h('pre', { class: 'original' });
  readonly #originalBox: HTMLDetailsElement;
  readonly #result = h('pre');
  readonly #resultBox: HTMLDetailsElement;
  readonly #late = h('pre');
  readonly #lateBox: HTMLDetailsElement;
  readonly #progress = h('progress');
  readonly #decision = h('p', { class: 'why decision' });
  readonly #approval: ApprovalForm;
  readonly #fault = h('p', { class: 'fault', role: 'alert' });
  #id = '';

  constructor(decide: Decide) {
    this.#approval = new ApprovalForm((decision) => decide(this.#id, decision));
    this.#originalBox = h(
      'details',
      { open: true },
      h('summary', {}, 'What the model asked for'),
      this.#original,
    );
    this.#resultBox = h('details', {}, h('summary', {}, 'Result'), this.#result);
    this.#lateBox = h('details', {}, h('summary', {}, 'Came too late to count'), this.#late);
    this.element = h(
      'section',
      { class: 'tool', 'aria-label': 'Tool call' },
      h('header', {}, this.#name, this.#status),
      this.#reason,
      h('details', { open: true }, h('summary', {}, 'Arguments'), this.#arguments),
      this.#originalBox,
      this.#progress,
      this.#decision,
      this.#resultBox,
      this.#lateBox,
      this.#approval.element,
      this.#fault,
    );
  }

  update(state: ToolState): void {
    const { call, fault } = state;
    this.#id = call.id;
    this.element.dataset.status = call.status;
    setText(this.#name, call.tool);
    setText(this.#status, words[call.status]);
    setText(this.#reason, reasonOf(call));
    setText(this.#arguments, shownJson(call.arguments, 2));
    const { originalArguments: original } = call;
    this.#originalBox.hidden = original === null;
    setText(this.#original, original === null ? '' : shownJson(original, 2));
    this.#showResult(call);
    this.#showProgress(call);
    this.#approval.update(state);
    this.#fault.hidden = fault === null || call.approval === null;
    setText(this.#fault, fault ?? '');
  }

  #showResult(call: ToolCall): void {
    const { result, error, lateResults } = call;
    setText(this.#decision, decisionText(call));
    this.#decision.hidden = call.decision === null;
    const text = error ? error.message : result === null ? '' : textOf(result);
    this.#resultBox.hidden = text === '';
    setText(this.#result, cut(text));
    this.#lateBox.hidden = lateResults.length === 0;
    const late = lateResults.map(
      (one) => `Attempt ${one.attempt}, ${one.status}: ${one.error?.message ?? textOf(one.result)}`,
    );
    setText(this.#late, cut(late.join('\n')));
  }

  #showProgress({ progress, status }: ToolCall): void {
    this.#progress.hidden = status !== 'running';
    if (progress?.total) {
      this.#progress.max = progress.total;
      this.#progress.value = progress.progress;
    } else this.#progress.removeAttribute('value');
  }
}

function reasonOf({ approval, reason, rule }: ToolCall): string {
  const by = approval?.rule ?? rule;
  const why = approval?.reason ?? reason;
  return by === null || why.includes(`"${by}"`) ? why : `${why} (rule: ${by})`;
}

function textOf(result: ToolCall['result']): string {
  return typeof result === 'string' ? result : JSON.stringify(result, null, 2);
}

function cut(text: string): string {
  return text.length > mostResultChars ? `${text.slice(0, mostResultChars)}…` : text;
}
