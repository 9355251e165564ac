import type { Answer, FormField, Json, ResolvedInput, SessionSnapshot } from '../client/index.ts';
import { formFields } from '../client/index.ts';
import { h, setText } from './dom.ts';
import { answerText, deadlineText } from './gate-text.ts';
import { ValueForm } from './value-form.ts';

type Request = SessionSnapshot['inputs'][number];

export interface QuestionState {
  request: Request;
  /** The answer that stands; null while one is waited for. */
  resolved: ResolvedInput | null;
  /** An answer was sent and is not acked. */
  isAnswering: boolean;
  fault: string | null;
}

export type AnswerQuestion = (requestId: string, answer: Answer) => void;

const titles: Record<Request['kind'], string> = {
  elicitation: 'A question of the tool',
  limit: 'A limit is reached',
  unknown_outcome: 'Nobody knows what became of this call',
};
const words: Record<Request['kind'], { accept: string; decline: string }> = {
  elicitation: { accept: 'Answer', decline: 'Decline' },
  limit: { accept: 'Go on', decline: 'Stop here' },
  unknown_outcome: { accept: 'Answer', decline: 'Leave it unknown' },
};
/** What is one of these few words is said by buttons. */
const choiceWords: Record<string, string> = {
  happened: 'It happened',
  did_not_happen: 'It did not happen',
  run_again: 'Run it again',
};

/** A question that a person answers: a form by its schema, or a button for each answer. */
export class QuestionCard {
  readonly element: HTMLElement;
  readonly #status = h('span', { class: 'status' });
  readonly #form: HTMLElement;
  readonly #deadline = h('span', { class: 'hint' });
  readonly #answered = h('p', { class: 'why' });
  readonly #fault = h('p', { class: 'fault', role: 'alert' });
  readonly #buttons: HTMLButtonElement[];

  constructor({ request }: QuestionState, answer: AnswerQuestion) {
    const { request_id: id, kind, message, schema } = request;
    const say = (said: Answer) => () => answer(id, said);
    const decline = h('button', { class: 'reject', click: say({ action: 'decline' }) }, words[kind].decline);
    const question = h('p', { class: 'question' });
    setText(question, message);
    const few = kind === 'unknown_outcome' ? onlyChoice(schema) : null;
    const form = few ? null : new ValueForm(schema, null);
    const accept = () => {
      const written = form?.read();
      if (!written) return;
      if ('fault' in written) this.#say(written.fault);
      else answer(id, { action: 'accept', content: written.value });
    };
    const accepts = few
      ? few.choices.map(({ value, title }) => {
          const content = { [few.name]: value };
          const click = say({ action: 'accept', content });
          return h('button', { click }, choiceWords[String(value)] ?? title);
        })
      : [h('button', { class: 'approve', click: accept }, words[kind].accept)];
    this.#buttons = [...accepts, decline];
    this.#form = h(
      'div',
      { class: 'ask' },
      form?.element ?? null,
      h('div', { class: 'decide' }, ...this.#buttons, this.#deadline),
    );
    this.element = h(
      'section',
      { class: 'tool question-card', 'aria-label': 'Question', 'data-kind': kind },
      h('header', {}, h('strong', {}, titles[kind]), this.#status),
      question,
      this.#form,
      this.#answered,
      this.#fault,
    );
  }

  update({ request, resolved, isAnswering, fault }: QuestionState): void {
    this.element.dataset.status = resolved ? 'completed' : 'waiting_approval';
    setText(this.#status, resolved ? 'answered' : 'waits for your answer');
    this.#form.hidden = resolved !== null;
    this.#answered.hidden = resolved === null;
    setText(this.#answered, resolved ? answerText(resolved) : '');
    setText(this.#deadline, deadlineText(request));
    for (const button of this.#buttons) button.disabled = isAnswering;
    this.#say(resolved ? '' : (fault ?? ''));
  }

  #say(fault: string): void {
    setText(this.#fault, fault);
  }
}

/** The one field of a question that asks for nothing but one of a few words. */
function onlyChoice(schema: Json): FormField | null {
  const fields = formFields(schema) ?? [];
  const [only] = fields;
  return only && fields.length === 1 && only.kind === 'choice' ? only : null;
}
