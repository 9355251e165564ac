import type { Json } from './state.ts';

/** One input of a form. */
export interface FormField {
  readonly name: string;
  /** What people call it: the schema's title, else its name. */
  readonly title: string;
  readonly description: string;
  readonly kind: 'text' | 'number' | 'integer' | 'boolean' | 'choice';
  readonly isRequired: boolean;
  /** Of a `choice`. */
  readonly choices: readonly { readonly value: Json; readonly title: string }[];
  /** undefined: none. */
  readonly standard: Json | undefined;
}

type Schema = Record<string, Json>;

const kinds: Record<string, FormField['kind']> = {
  string: 'text',
  number: 'number',
  integer: 'integer',
  boolean: 'boolean',
};

/**
 * The inputs that a person needs to fill in an object of this JSON Schema; null where it is not as simple as that (an
 * object of texts, numbers, yes or no, and choices), so that JSON has to be written. Only the gateway says whether a
 * value fits.
 */
export function formFields(schema: Json): FormField[] | null {
  if (!isObject(schema) || schema.type !== 'object') return null;
  const { properties = {}, required } = schema;
  if (!isObject(properties)) return null;
  const wanted = Array.isArray(required) ? required : [];
  const fields = Object.entries(properties).map(([name, property]) =>
    isObject(property) ? fieldOf(name, property, wanted.includes(name)) : null,
  );
  return fields.every((field) => field !== null) ? fields : null;
}

/**
 * What a person wrote into an input; undefined: nothing, so the field is left out.
 * @returns a fault in words where it is no such value
 */
export function readField(field: FormField, text: string): { value: Json | undefined } | { fault: string } {
  const { kind, title, isRequired } = field;
  const words = text.trim();
  if (words === '' && !(kind === 'text' && isRequired)) {
    return isRequired ? { fault: `${title}: is needed.` } : { value: undefined };
  }
  if (kind === 'text') return { value: text };
  if (kind === 'choice') {
    const chosen = field.choices.find(
      ({ value, title: other }) => String(value) === words || other === words,
    );
    return chosen ? { value: chosen.value } : { fault: `${title}: choose one of those that are offered.` };
  }
  if (kind === 'boolean') {
    if (/^(true|yes|y)$/i.test(words)) return { value: true };
    return /^(false|no|n)$/i.test(words) ? { value: false } : { fault: `${title}: yes or no.` };
  }
  const value = Number(words);
  if (!Number.isFinite(value)) return { fault: `${title}: must be a number.` };
  return kind === 'integer' && !Number.isInteger(value)
    ? { fault: `${title}: must be a whole number.` }
    : { value };
}

function fieldOf(name: string, property: Schema, isRequired: boolean): FormField | null {
  const { type, title, description, default: standard } = property;
  const choices = choicesOf(property);
  const kind = choices.length > 0 ? 'choice' : (kinds[String(type)] ?? null);
  if (kind === null) return null;
  return {
    name,
    title: typeof title === 'string' && title !== '' ? title : name,
    description: typeof description === 'string' ? description : '',
    kind,
    isRequired,
    choices,
    standard,
  };
}

function choicesOf({ enum: values, enumNames: names, oneOf }: Schema): FormField['choices'][number][] {
  if (Array.isArray(values) && values.every((value) => value === null || typeof value !== 'object')) {
    const titles = Array.isArray(names) ? names : [];
    return values.map((value, index) => ({ value, title: String(titles[index] ?? value) }));
  }
  const options = Array.isArray(oneOf) ? oneOf.filter(isObject) : [];
  const isChoice = options.length > 0 && options.every((option) => typeof option.const === 'string');
  return isChoice
    ? options.map(({ const: value = null, title }) => ({ value, title: String(title ?? value) }))
    : [];
}

function isObject(value: Json | undefined): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
