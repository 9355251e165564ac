import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { argumentsHash, canonicalHash, termsHash, toolHash } from '../../src/gate/hashes.ts';
import type { GateTerms } from '../../src/protocol/gate-terms.ts';

const runs = Number(process.env.CANONICAL_RUNS ?? 100_000);
const seed = Number(process.env.CANONICAL_SEED ?? 2026);

/** JSON as a model or a person may write it: odd keys, all kinds of numbers, no lone surrogates (those never get here). */
const key = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    '',
    '0',
    '10',
    '9',
    'é',
    'e\u0301',
    '\u{1f600}',
    '\ufb01',
  ),
);
const { value: anyJson } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    fc.constantFrom(
      null,
      true,
      false,
      0,
      -0,
      1,
      1.0,
      1e21,
      1e-7,
      0.1,
      5e-324,
      1.7976931348623157e308,
      2 ** 53,
    ),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((entries) => Object.fromEntries(entries)),
  ),
}));

/** The same value written otherwise: keys in another order, spaces, escapes, numbers in other digits. */
function rewrite(value: unknown, random: () => number): string {
  const space = () => ' \n\t'.charAt(Math.floor(random() * 4)).trim() || (random() < 0.5 ? ' ' : '');
  if (Array.isArray(value))
    return `[${space()}${value.map((item) => rewrite(item, random)).join(`${space()},`)}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).map(([name, item]) => [
      rewriteText(name, random),
      rewrite(item, random),
    ]);
    entries.sort(() => random() - 0.5);
    return `{${space()}${entries.map(([name, item]) => `${name}:${space()}${item}`).join(',')}}`;
  }
  if (typeof value === 'string') return rewriteText(value, random);
  if (typeof value === 'number') return rewriteNumber(value, random);
  return JSON.stringify(value);
}

function rewriteText(text: string, random: () => number): string {
  const units = [...Array(text.length).keys()].map((at) => {
    if (random() < 0.3) return `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
    return JSON.stringify(text.charAt(at)).slice(1, -1);
  });
  return `"${units.join('')}"`;
}

function rewriteNumber(value: number, random: () => number): string {
  if (Object.is(value, -0)) return random() < 0.5 ? '-0' : '0.0';
  const way = Math.floor(random() * 3);
  if (way === 0) return value.toExponential();
  if (way === 1 && Number.isInteger(value) && Math.abs(value) < 1e15) return `${value}.0`;
  return JSON.stringify(value);
}

/** One place changed, so that it says something else. */
function change(value: unknown, random: () => number): unknown {
  if (Array.isArray(value)) {
    if (value.length === 0 || random() < 0.3) return [...value, null];
    const at = Math.floor(random() * value.length);
    return value.map((item, index) => (index === at ? change(item, random) : item));
  }
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value);
    if (entries.length === 0 || random() < 0.3)
      return Object.fromEntries([...entries, [`k${random()}`, null]]);
    const at = Math.floor(random() * entries.length);
    return Object.fromEntries(
      entries.map(([name, item], index) => [name, index === at ? change(item, random) : item]),
    );
  }
  if (typeof value === 'string') return `${value}.`;
  if (typeof value === 'number') return value === 0 ? 1 : value / 2 === value ? 1 : value / 2;
  return value === null ? false : null;
}

/** What the two mean, by JavaScript's own comparison: -0 and 0 are the same number. */
function means(one: unknown, two: unknown): boolean {
  if (Array.isArray(one) !== Array.isArray(two)) return false;
  if (one !== null && two !== null && typeof one === 'object' && typeof two === 'object') {
    const [a, b] = [Object.entries(one), new Map(Object.entries(two))];
    return a.length === b.size && a.every(([name, item]) => b.has(name) && means(item, b.get(name)));
  }
  return one === two;
}

const seeded = fc.integer({ min: 1, max: 2 ** 31 - 1 }).map((start) => {
  let state = start;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
});

describe('the hash of arguments', () => {
  test(`is the same for the same meaning, and another for another, in ${runs} pairs`, () => {
    fc.assert(
      fc.property(anyJson, seeded, fc.boolean(), (value, random, isChanged) => {
        const other = isChanged ? change(value, random) : value;
        const written = JSON.parse(rewrite(other, random));
        expect(canonicalHash(written) === canonicalHash(value)).toBe(means(written, value));
      }),
      { numRuns: runs, seed },
    );
  });

  test('the examples of RFC 8785', () => {
    const same = [
      ['{"b":2,"a":1}', '{ "a": 1.0, "b": 2e0 }'],
      ['{"\\u20ac":"Euro","\\r":"CR"}', '{"\\r":"CR","€":"Euro"}'],
      [
        '[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]',
        '[333333333.3333333,1e+30,4.5,0.002,1e-27]',
      ],
    ] as const;
    for (const [one, two] of same)
      expect(canonicalHash(JSON.parse(one))).toBe(canonicalHash(JSON.parse(two)));
    expect(argumentsHash({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
    expect(canonicalHash({ name: 'é' })).not.toBe(canonicalHash({ name: 'e\u0301' }));
  });
});

describe('the hash of a tool', () => {
  const tool = { name: 'a.b', server: 'a', description: 'Sends.', inputSchema: { type: 'object' } };
  test.each([
    ['name', { ...tool, name: 'a.c' }],
    ['server', { ...tool, server: 'c' }],
    ['description', { ...tool, description: 'Sends!' }],
    ['schema', { ...tool, inputSchema: { type: 'object', properties: {} } }],
  ])('changes with its %s', (_, other) => expect(toolHash(other)).not.toBe(toolHash(tool)));

  test('does not change with the order of its schema, nor with what its server claims of it', () => {
    const schema = { type: 'object', title: 't' };
    const turned = { title: 't', type: 'object' };
    const claims = { readOnlyHint: true };
    expect(toolHash({ ...tool, inputSchema: schema, ...claims })).toBe(
      toolHash({ ...tool, inputSchema: turned }),
    );
  });
});

test('the hash of terms is about who decides, not about when', () => {
  const terms = (change: Partial<GateTerms['levels'][number]>, rule = 'r'): GateTerms => ({
    rule,
    levels: [
      {
        approvers: { users: ['ann', 'bob'], roles: ['owner'], requester: true },
        needed: 1,
        timeoutMs: null,
        remindEveryMs: null,
        ...change,
      },
    ],
    remember: 'once',
  });
  const plain = termsHash(terms({}));
  expect(termsHash(terms({ timeoutMs: 5, remindEveryMs: 1 }))).toBe(plain);
  expect(termsHash({ ...terms({}), remember: 'always' })).toBe(plain);
  expect(termsHash(terms({ approvers: { users: ['bob', 'ann'], roles: ['owner'], requester: true } }))).toBe(
    plain,
  );
  for (const other of [
    terms({ needed: 2 }),
    terms({ approvers: { users: ['ann'], roles: ['owner'], requester: true } }),
    terms({ approvers: { users: ['ann', 'bob'], roles: ['owner'], requester: false } }),
    terms({}, 'another'),
  ]) {
    expect(termsHash(other)).not.toBe(plain);
  }
});
