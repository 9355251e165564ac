import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { difference } from '../../src/cli/inbox/difference.ts';
import { CommandFailure } from '../../src/cli/inbox/failure.ts';
import { contentOf } from '../../src/cli/inbox/input-content.ts';
import { jsonArgument } from '../../src/cli/inbox/json-argument.ts';
import { agoText, expiryText, longJson, shortJson, sortedJson } from '../../src/cli/inbox/words.ts';

describe('the difference of two texts', () => {
  test('shows what went, what came and what stayed', () => {
    expect(difference('a\nb\nc', 'a\nx\nc\nd')).toBe('  a\n- b\n+ x\n  c\n+ d');
    expect(difference('a', 'a')).toBe('  a');
  });

  test('holds both, in their order, and what is common once', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 12 })
      .map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = difference(before, after).split('\n');
        const of = (...signs: string[]) =>
          lines
            .filter((line) => signs.includes(line.slice(0, 2)))
            .map((line) => line.slice(2))
            .join('\n');
        expect(of('  ', '- ')).toBe(before);
        expect(of('  ', '+ ')).toBe(after);
        if (before === after) expect(of('  ')).toBe(before);
      }),
      { numRuns: 1_000 },
    );
  });

  test('of very long texts is still both of them', () => {
    const [before, after] = ['x\n'.repeat(2_000), 'y\n'.repeat(2_000)];
    const lines = difference(before, after).split('\n');
    expect(lines.filter((line) => line === '- x')).toHaveLength(2_000);
    expect(lines.filter((line) => line === '+ y')).toHaveLength(2_000);
  });
});

describe('what an answer says', () => {
  const schema = {
    type: 'object',
    properties: { outcome: { enum: ['happened'] }, more: { type: 'integer' }, sure: { type: 'boolean' } },
    required: ['outcome'],
  };

  test('comes as JSON or field by field, of the type that the schema says', () => {
    expect(contentOf(schema, { content: '{"outcome":"happened"}' })).toEqual({ outcome: 'happened' });
    expect(contentOf(schema, { set: ['outcome=happened', 'more=3', 'sure=true'] })).toEqual({
      ...{ outcome: 'happened', more: 3, sure: true },
    });
    expect(contentOf(schema, { set: ['more=many', 'sure=yes', 'other=a=b'] })).toEqual({
      ...{ more: 'many', sure: 'yes', other: 'a=b' },
    });
    expect(contentOf({}, {})).toEqual({});
  });

  test.each([
    [{}],
    [{ set: ['outcome'] }],
    [{ content: '[]' }],
    [{ content: '{' }],
    [{ content: '@/none/at/all' }],
  ])('is refused with a sentence: %j', (options) => {
    expect(() => contentOf(schema, options)).toThrow(CommandFailure);
  });
});

test('JSON on the command line has to be an object', () => {
  expect(jsonArgument('--arguments', '{"a":[1]}')).toEqual({ a: [1] });
  for (const text of ['1', 'null', '[]', 'a', ''])
    expect(() => jsonArgument('--arguments', text)).toThrow(/--arguments/);
});

test('what others wrote is harmless to a terminal, and never looks like something else', () => {
  const hostile = { a: '\u001b[2Jx\u202egpj.exe\u0000', b: 'two\nlines' };
  for (const text of [shortJson(hostile), longJson(hostile)]) {
    const codes = [...text].map((char) => char.codePointAt(0) ?? 0);
    expect(codes.filter((code) => (code < 32 && code !== 10) || (code >= 0x202a && code <= 0x202e))).toEqual(
      [],
    );
  }
  expect(shortJson({ a: 'x'.repeat(1_000) })).toMatch(/more characters\)$/);
});

test('values that say the same are written the same', () => {
  const one = { b: [{ y: 1, x: null }], a: 'text' };
  expect(sortedJson(one)).toBe(sortedJson({ a: 'text', b: [{ x: null, y: 1 }] }));
  expect(JSON.parse(sortedJson(one))).toEqual(one);
});

test('times are told from the largest unit', () => {
  expect([agoText(0, 500), agoText(0, 61_000), agoText(7_200_000, 0), agoText(0, 3 * 86_400_000)]).toEqual([
    ...['0 s ago', '1 min ago', 'in 2 h', '3 d ago'],
  ]);
  expect([expiryText(null), expiryText(5_000, 0), expiryText(0, 5_000)]).toEqual([
    ...['never expires', 'expires in 5 s', 'its time was up 5 s ago'],
  ]);
});
