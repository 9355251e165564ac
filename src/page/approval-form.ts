import type { ApprovalDetails, ApprovalRequest, Decision, ToolCall } from '../client/index.ts';
import { h, setText } from './dom.ts';
import { requestLines } from './gate-text.ts';
import { isSame, ValueForm } from './value-form.ts';

/** What the gateway says of an approval besides its event. */
export type ApprovalAbout = Pick<ApprovalDetails, 'schema' | 'description' | 'remember' | 'may_decide'>;

export interface ApprovalState {
  call: ToolCall;
  /** null until it is read. */
  about: ApprovalAbout | null;
  /** null until the connection says it. */
  userId: string | null;
  isDeciding: boolean;
}

const scopes = {
  once: 'Ask again next time',
  session: 'Remember for this session',
  always: 'Always',
} as const;

/** Where a person decides a call: approve it, approve it with other arguments, or reject it. */
export class ApprovalForm {
  readonly element: HTMLElement;
  readonly #decide: (decision: Decision) => void;
  readonly #about = h('ul', { class: 'why' });
  readonly #description = h('p', { class: 'why' });
  readonly #whyNot = h('p', { class: 'hint' });
  readonly #why = h('input', { type: 'text', placeholder: 'Reason (the model reads it)', maxlength: '2000' });
  readonly #remember = h('select', { 'aria-label': 'Remember' });
  readonly #buttons: HTMLElement;
  readonly #edit: HTMLButtonElement;
  readonly #editor = h('div', { class: 'editor' });
  readonly #fault = h('p', { class: 'fault', role: 'alert' });
  #state: ApprovalState | null = null;
  /** What is being edited, as it was shown when that began. */
  #editing: { form: ValueForm; of: ApprovalRequest } | null = null;

  constructor(decide: (decision: Decision) => void) {
    this.#decide = decide;
    this.#edit = h('button', { class: 'plain', click: () => this.#beginEdit() }, 'Edit');
    this.#buttons = h(
      'div',
      { class: 'decide' },
      this.#why,
      this.#remember,
      h('button', { class: 'approve', click: () => this.#approve() }, 'Approve'),
      this.#edit,
      h('button', { class: 'reject', click: () => this.#reject() }, 'Reject'),
    );
    this.#editor.hidden = true;
    this.element = h(
      'div',
      { class: 'ask' },
      this.#description,
      this.#about,
      this.#editor,
      this.#whyNot,
      this.#buttons,
      this.#fault,
    );
  }

  update(state: ApprovalState): void {
    const { call, about, isDeciding } = state;
    this.#state = state;
    const { approval } = call;
    this.element.hidden = approval === null;
    if (!approval) {
      this.#endEdit('');
      return;
    }
    setText(this.#description, about?.description ?? '');
    this.#about.replaceChildren(...requestLines(approval).map((line) => h('li', {}, line)));
    const why = whyNot(state, approval);
    setText(this.#whyNot, why);
    this.#buttons.hidden = why !== '';
    for (const button of this.#buttons.querySelectorAll('button')) button.disabled = isDeciding;
    this.#showScopes(about?.remember ?? 'once');
    const { of } = this.#editing ?? {};
    const isOther = of && (of.round !== approval.round || of.argumentsHash !== approval.argumentsHash);
    if (isOther || why !== '') this.#endEdit(isOther ? 'It was asked anew meanwhile. Look at it again.' : '');
  }

  #showScopes(most: ApprovalAbout['remember']): void {
    const offered = Object.keys(scopes).slice(
      0,
      Object.keys(scopes).indexOf(most) + 1,
    ) as (keyof typeof scopes)[];
    this.#remember.hidden = offered.length < 2;
    if (this.#remember.options.length === offered.length) return;
    this.#remember.replaceChildren(...offered.map((scope) => h('option', { value: scope }, scopes[scope])));
  }

  #beginEdit(): void {
    const { call, about } = this.#state ?? {};
    if (!call?.approval || this.#editing) return;
    const form = new ValueForm(about?.schema ?? null, call.arguments);
    this.#editing = { form, of: call.approval };
    const back = h('button', { class: 'plain', click: () => this.#endEdit('') }, 'Back');
    this.#editor.replaceChildren(h('p', { class: 'why' }, 'What is to run instead:'), form.element, back);
    this.#editor.hidden = false;
    this.#edit.hidden = true;
    this.#fault.textContent = '';
    form.focus();
  }

  #endEdit(fault: string): void {
    if (!this.#editing) return;
    this.#editing = null;
    this.#editor.hidden = true;
    this.#edit.hidden = false;
    setText(this.#fault, fault);
  }

  #approve(): void {
    const approval = this.#state?.call.approval;
    if (!approval) return;
    setText(this.#fault, '');
    const scope = this.#remember.value as keyof typeof scopes;
    const kept = this.#remember.hidden || scope === 'once' ? {} : { remember: scope };
    const { form, of } = this.#editing ?? { of: approval };
    const written = form?.read() ?? { value: undefined };
    if ('fault' in written) {
      setText(this.#fault, written.fault);
      return;
    }
    const isEdited = written.value !== undefined && !isSame(written.value, this.#state?.call.arguments);
    const edited = isEdited ? { arguments: written.value } : {};
    this.#decide({ approved: true, ...edited, ...shownOf(of), ...kept });
  }

  #reject(): void {
    const approval = this.#state?.call.approval;
    const reason = this.#why.value.trim();
    if (!approval) return;
    this.#decide({ approved: false, ...(reason === '' ? {} : { reason }), ...shownOf(approval) });
  }
}

/** Why this user is not offered to decide; nothing where they are. */
function whyNot({ userId, about }: ApprovalState, { approvals, approvers }: ApprovalRequest): string {
  if (approvals.some(({ by }) => by === userId)) return 'You have approved it; others have to as well.';
  // Who came to the session later is not named in the request, and may decide all the same.
  const may = userId === null || approvers.includes(userId) || about?.may_decide === true;
  return may ? '' : 'You are not one of those who may decide.';
}

function shownOf({ argumentsHash, toolHash, round }: ApprovalRequest): Partial<Decision> {
  return { argumentsHash, toolHash: toolHash ?? undefined, round };
}
