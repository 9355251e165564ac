import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compilePattern } from '../../src/tools/pattern.ts';

const characters = ['a', 'b', 'A', '0', '_', '.', ' ', '\n', 'é', '😀', '-', ']', '@'];
const atom = fc.constantFrom(
  ...[
    'a',
    'b',
    '😀',
    'é',
    '.',
    '\\.',
    '\\d',
    '\\D',
    '\\w',
    '\\W',
    '\\s',
    '\\n',
    '[ab]',
    '[^a-c]',
    '[\\w.-]',
    '[\\]é]',
  ],
  ...['\\p{L}', '\\P{Lu}', '\\u0061', '\\x41', '\\u{1f600}', '\\ud83d\\ude00', '^', '$', '\\b', '\\B'],
);
const { pattern } = fc.letrec<{ pattern: string; part: string }>((tie) => ({
  pattern: fc
    .array(fc.array(tie('part'), { maxLength: 3 }), { minLength: 1, maxLength: 2 })
    .map((options) => options.map((parts) => parts.join('')).join('|')),
  part: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'pattern' },
    atom,
    fc
      .tuple(
        fc.oneof(
          fc.constantFrom('a', '.', '[ab]', '\\d'),
          tie('pattern').map((inner) => `(${inner})`),
        ),
        fc.constantFrom('', '*', '+', '?', '{2}', '{0,2}', '{1,}', '*?', '+?', '??'),
      )
      .map(([inner, times]) => `${inner}${times}`),
    tie('pattern').map((inner) => `(?:${inner})`),
  ),
}));
const searched = fc.array(fc.constantFrom(...characters), { maxLength: 12 }).map((parts) => parts.join(''));

describe('a pattern', () => {
  test('is found where the same regular expression of JavaScript is', () => {
    fc.assert(
      fc.property(pattern, searched, fc.boolean(), (source, text, ignoresCase) => {
        const expected = new RegExp(source, ignoresCase ? 'iu' : 'u').test(text);
        expect(compilePattern(ignoresCase ? `(?i)${source}` : source)(text)).toBe(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  // JavaScript's own engine would not come back from any of these while the tests run.
  test.each(['(a+)+$', '(a|aa)+$', '(a*)*b', '(.*a){20}b', '^(([a-z])+.)+[A-Z]([a-z])+$', 'a*a*a*a*a*a*a*b'])(
    'that would exhaust one that goes back is only as slow as the text is long: %s',
    (source) => {
      expect(compilePattern(source)(`${'a'.repeat(16_000)}!`)).toBe(false);
    },
  );

  test.each([
    ['(', /is not a regular expression: Unterminated group/],
    ['a{2', /is not a regular expression/],
    ['(a)\\1', /must not refer back to a group/],
    ['(?=a)', /must not look ahead or behind/],
    ['(?<!a)b', /must not look ahead or behind/],
    ['(?<name>a)', /name groups/],
    ['(a{100}){100}', /written out it has more than 500 parts/],
    ['a{1000000000}', /written out it has more than 500 parts/],
    ['x'.repeat(1_001), /at most 1000 characters/],
    [`${'('.repeat(60)}a${')'.repeat(60)}`, /nested more than/],
  ])('is refused with the reason: %s', (source, why) => {
    expect(() => compilePattern(source)).toThrow(why);
  });

  test('of nothing, a billion times, is nothing', () => {
    expect(compilePattern('^(?:){1000000000}$')('')).toBe(true);
    expect(compilePattern('^((a?){0,9}){3}$')('aaaa')).toBe(true);
  });
});
