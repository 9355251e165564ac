import { describe, expect, test } from '@jest/globals';
import { resultText } from '../../src/cli/chat/log-item.ts';
import { endsOf, headOf, tailOf, terminalText } from '../../src/cli/chat/terminal-text.ts';
import { themeOf } from '../../src/cli/chat/ui/theme.ts';

describe('text on a terminal', () => {
  test('control characters are shown, not obeyed', () => {
    expect(terminalText('a\u001b[2Jb\u0007c\u0000d\u007fe\u009bf\rg')).toBe('a␛[2Jb␇c␀d␡e\ufffdf␍g');
  });

  test('marks that reorder text and halves of characters are replaced', () => {
    expect(terminalText('to: \u202emoc.live\u202c \u2066x\u2069 \ud83d')).toBe(
      'to: \ufffdmoc.live\ufffd \ufffdx\ufffd \ufffd',
    );
  });

  test('lines, other scripts and emoji stay; tabs become spaces', () => {
    expect(terminalText('one\r\ntwo\u2028three\tgrün 日本 👩‍👧 עברית')).toBe(
      'one\ntwo\nthree    grün 日本 👩‍👧 עברית',
    );
  });

  test('a tail begins with a line where it can, and never in the middle of a character', () => {
    expect(tailOf('short', 10)).toEqual({ tail: 'short', hiddenLines: 0 });
    expect(tailOf('one\ntwo\nthree', 7)).toEqual({ tail: 'three', hiddenLines: 2 });
    expect(tailOf('x👍👍', 3).tail).toBe('👍👍');
  });

  test('of a long text both ends are kept, and no character is cut in two', () => {
    expect(endsOf('short', 5)).toBe('short');
    expect(endsOf('{"note":"xxxxxxxx","to":"eve"}', 12)).toBe('{"note…"eve"}');
    expect(endsOf('👍👍👍', 3).isWellFormed()).toBe(true);
  });

  test('a head says how much it leaves out', () => {
    expect(headOf('one\ntwo', { maxChars: 10, maxLines: 2 })).toBe('one\ntwo');
    expect(headOf('one\ntwo\nthree', { maxChars: 100, maxLines: 1 })).toBe('one … (10 more characters)');
    expect(headOf('👍👍', { maxChars: 3, maxLines: 1 })).toBe('👍 … (2 more characters)');
  });

  test('NO_COLOR takes the colours only', () => {
    const plain = themeOf({ NO_COLOR: '1' });
    expect(Object.values(plain).every((style) => !('color' in style))).toBe(true);
    expect(plain.dim).toEqual({ dimColor: true });
    expect(themeOf({ NO_COLOR: '' }).bad).toEqual({ color: 'red' });
  });
});

test('a tool’s result is its text, or its JSON', () => {
  expect(
    resultText({
      content: [
        { type: 'text', text: 'one' },
        { type: 'image', data: 'x' },
      ],
    }),
  ).toBe('one\n{"type":"image","data":"x"}');
  expect([resultText(null), resultText('plain'), resultText({ n: 1 })]).toEqual(['', 'plain', '{"n":1}']);
});
