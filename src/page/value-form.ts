import { type FormField, formFields, isAllSeen, type Json, readField, shownJson } from '../client/index.ts';
import { h, setText } from './dom.ts';
import { faultText } from './fault-text.ts';

export type Written = { value: Json } | { fault: string };

/** Where a person writes a value: a form where the schema is simple, else JSON. */
export class ValueForm {
  readonly element = h('div', { class: 'value-form' });
  readonly #read: () => Written;

  /** @param value what it holds at first; null: what is usual by the schema */
  constructor(schema: Json, value: Json) {
    const fields = formFields(schema);
    const known = isObject(value) ? value : {};
    const isForm = fields !== null && Object.entries(known).every(([name, one]) => fits(fields, name, one));
    this.#read = isForm ? this.#form(fields, known) : this.#json(value ?? {});
  }

  /** What is written now, or what is wrong with it. */
  read(): Written {
    return this.#read();
  }

  focus(): void {
    this.element.querySelector<HTMLElement>('input, select, textarea')?.focus();
  }

  #form(fields: readonly FormField[], known: Record<string, Json>): () => Written {
    const given = (name: string) => (Object.hasOwn(known, name) ? known[name] : undefined);
    const inputs = fields.map((field) => new FieldInput(field, given(field.name) ?? field.standard));
    this.element.append(...inputs.map(({ element }) => element));
    return () => {
      const value: Record<string, Json> = {};
      for (const input of inputs) {
        const read = input.read();
        if ('fault' in read) return read;
        if (read.value !== undefined) value[input.field.name] = read.value;
      }
      return { value };
    };
  }

  #json(value: Json): () => Written {
    const text = shownJson(value, 2);
    const area = h('textarea', { 'aria-label': 'JSON', spellcheck: 'false', rows: String(lines(text) + 1) });
    area.value = text;
    this.element.append(area);
    return () => {
      try {
        return { value: JSON.parse(area.value) as Json };
      } catch (error) {
        return { fault: `This is no JSON: ${faultText(error)}` };
      }
    };
  }
}

/** One input, in the words of its field. */
class FieldInput {
  readonly element: HTMLElement;
  readonly field: FormField;
  readonly #first: Json | undefined;
  readonly #input: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

  constructor(field: FormField, value: Json | undefined) {
    this.field = field;
    this.#first = value;
    this.#input = inputOf(field, value);
    const title = h('span', { class: 'field' });
    setText(title, field.isRequired || field.kind === 'boolean' ? field.title : `${field.title} (optional)`);
    const about = h('span', { class: 'hint' });
    setText(about, field.description);
    this.element = h('label', { 'data-field': field.name }, title, this.#input, about);
  }

  read(): ReturnType<typeof readField> {
    const text =
      this.#input instanceof HTMLInputElement && this.#input.type === 'checkbox'
        ? String(this.#input.checked)
        : this.#input.value;
    // An empty text that was there before stays, where leaving it out would be something else.
    if (text === '' && this.#first === '') return { value: '' };
    return readField(this.field, text);
  }
}

function inputOf(field: FormField, value: Json | undefined) {
  const text = value === undefined || value === null ? '' : String(value);
  if (field.kind === 'choice') {
    const none = field.isRequired && text !== '' ? [] : [h('option', { value: '' }, '')];
    const options = field.choices.map((choice) => h('option', { value: String(choice.value) }, choice.title));
    const select = h('select', {}, ...none, ...options);
    select.value = text;
    return select;
  }
  if (field.kind === 'text') {
    const area = h('textarea', { rows: String(Math.min(8, lines(text))) });
    area.value = text;
    return area;
  }
  const type = { number: 'number', integer: 'number', boolean: 'checkbox' }[field.kind];
  const input = h('input', { type, ...(type === 'number' ? { step: 'any' } : {}) });
  if (type === 'checkbox') input.checked = value === true;
  else input.value = text;
  return input;
}

/** Whether a field can show this value and give it back. */
function fits(fields: readonly FormField[], name: string, value: Json): boolean {
  const field = fields.find((one) => one.name === name);
  switch (field?.kind) {
    case 'text':
      return typeof value === 'string' && isAllSeen(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'choice':
      return field.choices.some((choice) => choice.value === value);
    case undefined:
      return false;
    default:
      return typeof value === 'number';
  }
}

/** Whether two values say the same, in whichever order. */
export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  return sorted(one) === sorted(other);
}

function sorted(value: Json | undefined): string | undefined {
  return JSON.stringify(value, (_key, part: unknown) =>
    isObject(part as Json) ? Object.fromEntries(Object.entries(part as object).sort()) : part,
  );
}

function isObject(value: Json): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function lines(text: string): number {
  return text.split('\n').length;
}
