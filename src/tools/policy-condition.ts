import canonicalize from 'canonicalize';
import { z } from 'zod';
import { compilePattern } from './pattern.ts';
import { PatternFault } from './pattern-syntax.ts';
import { allOf, anyOf, not, type Truth, truth } from './policy-truth.ts';

/** Texts and lists that are longer cannot be looked at: what is wanted of them is unclear. */
const TEXT_CHARS_MAX = 16_384;
const LIST_ITEMS_MAX = 1_000;

const text = z.string().min(1).max(1_000);
const length = z.int().nonnegative();
const values = z.array(z.json()).min(1).max(1_000);

const pattern = z.string().transform((source, context) => {
  try {
    return { source, isFoundIn: compilePattern(source) };
  } catch (error) {
    if (!(error instanceof PatternFault)) throw error;
    context.addIssue(error.message);
    return z.NEVER;
  }
});

const operators = {
  equals: z.json().optional(),
  not_equals: z.json().optional(),
  one_of: values.optional(),
  none_of: values.optional(),
  matches: pattern.optional(),
  not_matches: pattern.optional(),
  starts_with: text.optional(),
  ends_with: text.optional(),
  contains: z.json().optional(),
  above: z.number().optional(),
  at_least: z.number().optional(),
  below: z.number().optional(),
  at_most: z.number().optional(),
  longer_than: length.optional(),
  shorter_than: length.optional(),
};
const someOperator = [
  (condition: object) => Object.keys(condition).length > 0,
  'needs at least one operator, such as equals, one_of, matches, above or exists',
] as const;
const itemCondition = z.strictObject(operators).refine(...someOperator);

/** What a rule wants of one value inside a call's arguments; several operators must all fit. */
export const argumentCondition = z
  .strictObject({
    ...operators,
    exists: z.boolean().optional(),
    /** Of a list: at least one item, or every one. */
    any: itemCondition.optional(),
    every: itemCondition.optional(),
  })
  .refine(...someOperator);
export type ArgumentCondition = z.infer<typeof argumentCondition>;

type Wanted = { [O in keyof ArgumentCondition]-?: NonNullable<ArgumentCondition[O]> };
/** Whether a value is as it is wanted; undefined stands for one that is missing. */
type ValueTest = (value: unknown) => Truth;

const sameAs = (wanted: unknown[]) => {
  const canonical = new Set(wanted.map((one) => canonicalize(one)));
  return (value: unknown) => truth(canonical.has(canonicalize(value)));
};
const ofNumber = (fits: (value: number) => boolean): ValueTest => {
  return (value) => (typeof value === 'number' ? truth(fits(value)) : 'unclear');
};
const ofText = (fits: (value: string) => boolean): ValueTest => {
  return (value) =>
    typeof value === 'string' && value.length <= TEXT_CHARS_MAX ? truth(fits(value)) : 'unclear';
};
const ofLength = (fits: (length: number) => boolean): ValueTest => {
  return (value) =>
    typeof value === 'string' || Array.isArray(value) ? truth(fits(value.length)) : 'unclear';
};
const ofItems = (fits: (items: unknown[]) => Truth): ValueTest => {
  return (value) => (Array.isArray(value) && isSmall(value) ? fits(value) : 'unclear');
};
const contains = (wanted: unknown): ValueTest => {
  const inText = ofText((value) => typeof wanted === 'string' && value.includes(wanted));
  const isWanted = sameAs([wanted]);
  const inList = ofItems((items) => anyOf(items.map(isWanted)));
  return (value) => (typeof value === 'string' && typeof wanted === 'string' ? inText(value) : inList(value));
};

const makers: { [O in Exclude<keyof Wanted, 'exists'>]: (wanted: Wanted[O]) => ValueTest } = {
  equals: (wanted) => sameAs([wanted]),
  not_equals: (wanted) => negated(sameAs([wanted])),
  one_of: sameAs,
  none_of: (wanted) => negated(sameAs(wanted)),
  matches: ({ isFoundIn }) => ofText(isFoundIn),
  not_matches: ({ isFoundIn }) => ofText((value) => !isFoundIn(value)),
  starts_with: (wanted) => ofText((value) => value.startsWith(wanted)),
  ends_with: (wanted) => ofText((value) => value.endsWith(wanted)),
  contains,
  above: (wanted) => ofNumber((value) => value > wanted),
  at_least: (wanted) => ofNumber((value) => value >= wanted),
  below: (wanted) => ofNumber((value) => value < wanted),
  at_most: (wanted) => ofNumber((value) => value <= wanted),
  longer_than: (wanted) => ofLength((chars) => chars > wanted),
  shorter_than: (wanted) => ofLength((chars) => chars < wanted),
  any: (wanted) => {
    const test = toValueTest(wanted);
    return ofItems((items) => anyOf(items.map(test)));
  },
  every: (wanted) => {
    const test = toValueTest(wanted);
    return ofItems((items) => allOf(items.map(test)));
  },
};

/**
 * Whether a value is as a rule wants it. A value that is missing, of another kind or too large makes every operator
 * but `exists` unclear; what one operator refuses is refused, however unclear the others are.
 */
export function toValueTest(condition: ArgumentCondition): ValueTest {
  const tests = Object.entries(condition).flatMap(([operator, wanted]): ValueTest[] => {
    if (wanted === undefined) return [];
    if (operator === 'exists') return [(value) => truth((value !== undefined) === wanted)];
    const make = makers[operator as keyof typeof makers] as (wanted: unknown) => ValueTest;
    const test = make(wanted);
    return [(value) => (value === undefined ? 'unclear' : test(value))];
  });
  return (value) => allOf(tests.map((test) => test(value)));
}

/** What a condition says, as its author wrote it. */
export function conditionText(condition: ArgumentCondition): string {
  return JSON.stringify(condition, (_, value) =>
    value !== null && typeof value === 'object' && 'isFoundIn' in value ? value.source : value,
  );
}

function negated(test: ValueTest): ValueTest {
  return (value) => not(test(value));
}

/** So that a list of texts costs no more than one text does. */
function isSmall(items: unknown[]): boolean {
  if (items.length > LIST_ITEMS_MAX) return false;
  const chars = items.reduce((sum: number, item) => sum + (typeof item === 'string' ? item.length : 0), 0);
  return chars <= TEXT_CHARS_MAX;
}
