import { type FormField, formFields, type Json, readField } from '../../client/index.ts';
import { errorText } from '../../protocol/error-text.ts';
import type { Question } from './asked.ts';

/** An answer being written, one field after the other. */
export interface Filling {
  question: Question;
  /** null: the schema is not as simple as that, and JSON is written. */
  fields: readonly FormField[] | null;
  /** Which field is written now. */
  at: number;
  values: Readonly<Record<string, Json>>;
}

export type Filled = { filling: Filling } | { content: Json } | { fault: string };

export function beginFilling(question: Question): Filling {
  return { question, fields: formFields(question.schema), at: 0, values: {} };
}

/** The next field, all of it, or what is wrong with the line. */
export function fillOn(filling: Filling, text: string): Filled {
  const { fields, at, values } = filling;
  if (fields === null) return readJson(text);
  const field = fields[at];
  if (!field) return { content: values };
  const read = readField(field, chosen(field, text));
  if ('fault' in read) return read;
  const next = read.value === undefined ? values : { ...values, [field.name]: read.value };
  return at + 1 < fields.length ? { filling: { ...filling, at: at + 1, values: next } } : { content: next };
}

/** The few answers that one key gives: questions that ask for nothing but one of up to nine choices. */
export function choicesOf(question: Question): FormField | null {
  const [only, ...others] = formFields(question.schema) ?? [];
  return only && others.length === 0 && only.kind === 'choice' && only.choices.length < 10 ? only : null;
}

/** What a digit answers, where digits do. */
export function keyAnswer(question: Question, digit: string): Json | null {
  const field = choicesOf(question);
  const choice = /^[1-9]$/.test(digit) ? field?.choices[Number(digit) - 1] : undefined;
  return field && choice ? { [field.name]: choice.value } : null;
}

/** What the prompt says before the line. */
export function labelOf({ fields, at }: Filling): string {
  const field = fields?.[at];
  if (!field) return 'answer, as JSON: ';
  const names = field.choices.map(({ title }, index) => `${index + 1} ${title}`).join(', ');
  const kinds = { text: '', number: 'a number', integer: 'a whole number', boolean: 'y or n', choice: names };
  const about = [kinds[field.kind], field.description, ...(field.isRequired ? [] : ['may be left empty'])];
  const words = about.filter((part) => part !== '').join('; ');
  return words === '' ? `${field.title}: ` : `${field.title} (${words}): `;
}

/** A choice may be named by its number, unless that is a choice itself. */
function chosen(field: FormField, text: string): string {
  const isChoice = field.choices.some(
    ({ value, title }) => String(value) === text.trim() || title === text.trim(),
  );
  return isChoice ? text : (field.choices[Number(text.trim() || Number.NaN) - 1]?.title ?? text);
}

function readJson(text: string): Filled {
  try {
    return { content: JSON.parse(text) as Json };
  } catch (error) {
    return { fault: `This is no JSON: ${errorText(error)}` };
  }
}
