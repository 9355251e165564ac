import canonicalize from 'canonicalize';
import { z } from 'zod';
import { allOf, anyOf, not, type Truth, truth } from './policy-truth.ts';

/** Texts and lists that are longer cannot be looked at: the condition is unclear. */
const TEXT_CHARS_MAX = 16_384;
const LIST_ITEMS_MAX = 1_000;

const text = z.string().min(1).max(1_000);
const bound = z.number();
const length = z.int().nonnegative();

const single = {
  equals: z.json().optional(),
  not_equals: z.json().optional(),
  one_of: z.array(z.json()).min(1).max(1_000).optional(),
  none_of: z.array(z.json()).min(1).max(1_000).optional(),
  starts_with: text.optional(),
  ends_with: text.optional(),
  contains: z.json().optional(),
  above: bound.optional(),
  at_least: bound.optional(),
  below: bound.optional(),
  at_most: bound.optional(),
  longer_than: length.optional(),
  shorter_than: length.optional(),
};
const someOperator = [
  (condition: object) => Object.keys(condition).length > 0,
  'needs at least one operator, such as equals, one_of, matches, above or exists',
] as const;
const itemCondition = z.strictObject(single).refine(...someOperator);

/** What a rule wants of one value inside a call's arguments; several operators must all fit. */
export const argumentCondition = z
  .strictObject({
    ...single,
    exists: z.boolean().optional(),
    /** Of a list: at least one item, or every one. */
    any: itemCondition.optional(),
    every: itemCondition.optional(),
  })
  .refine(...someOperator);
export type ArgumentCondition = z.infer<typeof argumentCondition>;

type Operator = Exclude<keyof ArgumentCondition, 'exists'>;
type Test<O extends Operator> = (value: unknown, wanted: NonNullable<ArgumentCondition[O]>) => Truth;

const same = (one: unknown, other: unknown) => canonicalize(one) === canonicalize(other);
const ofNumber = (value: unknown, fits: (value: number) => boolean): Truth =>
  typeof value === 'number' ? truth(fits(value)) : 'unclear';
const ofText = (value: unknown, fits: (value: string) => boolean): Truth =>
  typeof value === 'string' && value.length <= TEXT_CHARS_MAX ? truth(fits(value)) : 'unclear';
const ofLength = (value: unknown, fits: (length: number) => boolean): Truth =>
  typeof value === 'string' || Array.isArray(value) ? truth(fits(value.length)) : 'unclear';
const ofItems = (value: unknown, fits: (items: unknown[]) => Truth): Truth =>
  Array.isArray(value) && value.length <= LIST_ITEMS_MAX ? fits(value) : 'unclear';

const tests: { [O in Operator]: Test<O> } = {
  equals: (value, wanted) => truth(same(value, wanted)),
  not_equals: (value, wanted) => truth(!same(value, wanted)),
  one_of: (value, wanted) => truth(wanted.some((one) => same(value, one))),
  none_of: (value, wanted) => truth(!wanted.some((one) => same(value, one))),
  starts_with: (value, wanted) => ofText(value, (written) => written.startsWith(wanted)),
  ends_with: (value, wanted) => ofText(value, (written) => written.endsWith(wanted)),
  contains: (value, wanted) =>
    typeof value === 'string' && typeof wanted === 'string'
      ? ofText(value, (written) => written.includes(wanted))
      : ofItems(value, (items) => truth(items.some((item) => same(item, wanted)))),
  above: (value, wanted) => ofNumber(value, (number) => number > wanted),
  at_least: (value, wanted) => ofNumber(value, (number) => number >= wanted),
  below: (value, wanted) => ofNumber(value, (number) => number < wanted),
  at_most: (value, wanted) => ofNumber(value, (number) => number <= wanted),
  longer_than: (value, wanted) => ofLength(value, (chars) => chars > wanted),
  shorter_than: (value, wanted) => ofLength(value, (chars) => chars < wanted),
  any: (value, wanted) => ofItems(value, (items) => anyOf(items.map((item) => testCondition(wanted, item)))),
  every: (value, wanted) =>
    ofItems(value, (items) => allOf(items.map((item) => testCondition(wanted, item)))),
};

/**
 * Whether a value is as a rule wants it. A value that is missing, of another kind or too large makes every operator
 * but `exists` unclear; what one operator refuses is refused, however unclear the others are.
 * @param value undefined where the arguments have none
 */
export function testCondition(condition: ArgumentCondition, value: unknown): Truth {
  return allOf(
    Object.entries(condition).map(([operator, wanted]): Truth => {
      if (wanted === undefined) return 'yes';
      if (operator === 'exists')
        return value === undefined ? not(truth(wanted === true)) : truth(wanted === true);
      if (value === undefined) return 'unclear';
      const test = tests[operator as Operator] as (value: unknown, wanted: unknown) => Truth;
      return test(value, wanted);
    }),
  );
}
