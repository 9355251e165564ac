import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isAllSeen, shownJson } from '../../src/client/index.ts';

describe('arguments as people see them', () => {
  test('what turns text around, has no width or is obeyed by a terminal is written as its escape', () => {
    expect(shownJson({ to: 'a\u202egpj.exe', zero: 'pay\u200b\u2066pal\u2069', soft: 'a\u00adb' })).toBe(
      String.raw`{"to":"a\u202egpj.exe","zero":"pay\u200b\u2066pal\u2069","soft":"a\u00adb"}`,
    );
    expect(shownJson({ '\u3164': '\u{e0041}\ufe0f', line: '\u2028\u0085\u009b31m\u007f' }, 1)).toBe(
      String.raw`{
 "\u3164": "\udb40\udc41\ufe0f",
 "line": "\u2028\u0085\u009b31m\u007f"
}`,
    );
  });

  test('other scripts stay as they are', () => {
    const text = 'grün 日本 👍 עברית العربية\n\tx';
    expect(shownJson(text)).toBe(JSON.stringify(text));
    expect(isAllSeen(text)).toBe(true);
    expect(isAllSeen('a\u202eb')).toBe(false);
    expect(isAllSeen('a\r\nb')).toBe(false);
  });

  test('it is the same value, whatever is in it', () => {
    const value = fc.jsonValue({ stringUnit: 'binary' });
    fc.assert(
      fc.property(value, (one) => JSON.stringify(JSON.parse(shownJson(one, 2))) === JSON.stringify(one)),
    );
  });
});
