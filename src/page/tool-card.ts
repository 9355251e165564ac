import type { ToolCall } from '../client/index.ts';
import { h, setText } from './dom.ts';

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
const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export interface ToolState {
  call: ToolCall;
  /** A decision was sent and is not answered. */
  isDeciding: boolean;
  /** What was wrong with the last decision. */
  fault: string | null;
}

export type Decide = (toolCallId: string, approved: boolean, reason: string) => void;

/** One tool call: what it is to do, what the gate says, and where it waits for a person, the two buttons. */
export class ToolCard {
  readonly element: HTMLElement;
  readonly #name = h('strong');
  readonly #status = h('span', { class: 'status' });
  readonly #reason = h('p', { class: 'why' });
  readonly #arguments = h('pre');
  readonly #result = h('pre');
  readonly #resultBox: HTMLDetailsElement;
  readonly #progress = h('progress');
  readonly #decision = h('p', { class: 'why' });
  readonly #form: HTMLElement;
  readonly #why = h('input', { type: 'text', placeholder: 'Reason (the model reads it)', maxlength: '2000' });
  readonly #buttons: HTMLButtonElement[];
  readonly #deadline = h('span', { class: 'hint' });
  readonly #fault = h('p', { class: 'fault', role: 'alert' });
  #id = '';

  constructor(decide: Decide) {
    const say = (approved: boolean) => () => decide(this.#id, approved, this.#why.value.trim());
    this.#buttons = [
      h('button', { class: 'approve', click: say(true) }, 'Approve'),
      h('button', { class: 'reject', click: say(false) }, 'Reject'),
    ];
    this.#form = h('div', { class: 'decide' }, this.#why, ...this.#buttons, this.#deadline);
    this.#resultBox = h('details', {}, h('summary', {}, 'Result'), this.#result);
    this.element = h(
      'section',
      { class: 'tool', 'aria-label': 'Tool call' },
      h('header', {}, this.#name, this.#status),
      this.#reason,
      h('details', { open: true }, h('summary', {}, 'Arguments'), this.#arguments),
      this.#progress,
      this.#decision,
      this.#resultBox,
      this.#form,
      this.#fault,
    );
  }

  update({ call, isDeciding, fault }: ToolState): void {
    this.#id = call.id;
    this.element.dataset.status = call.status;
    setText(this.#name, call.tool);
    setText(this.#status, words[call.status]);
    setText(this.#reason, call.approval?.reason ?? call.reason);
    setText(this.#arguments, JSON.stringify(call.arguments, null, 2));
    this.#showResult(call);
    this.#showProgress(call);
    const waits = call.approval !== null;
    this.#form.hidden = !waits;
    for (const button of this.#buttons) button.disabled = isDeciding;
    setText(this.#deadline, call.approval ? `until ${when.format(call.approval.expiresAt)}` : '');
    this.#fault.hidden = fault === null || !waits;
    setText(this.#fault, fault ?? '');
  }

  #showResult(call: ToolCall): void {
    const { result, error, decision } = call;
    const by = decision ? `${decision.decision} by ${decision.by}` : '';
    setText(this.#decision, decision?.reason ? `${by}: ${decision.reason}` : by);
    this.#decision.hidden = decision === null;
    const text = error ? error.message : result === null ? '' : textOf(result);
    this.#resultBox.hidden = text === '';
    setText(this.#result, text.length > mostResultChars ? `${text.slice(0, mostResultChars)}…` : text);
  }

  #showProgress({ progress, status }: ToolCall): void {
    this.#progress.hidden = status !== 'running';
    if (progress?.total) {
      this.#progress.max = progress.total;
      this.#progress.value = progress.progress;
    } else this.#progress.removeAttribute('value');
  }
}

function textOf(result: ToolCall['result']): string {
  return typeof result === 'string' ? result : JSON.stringify(result, null, 2);
}
