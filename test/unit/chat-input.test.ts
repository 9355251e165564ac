import { describe, expect, test } from '@jest/globals';
import { parseCommand } from '../../src/cli/chat/commands.ts';
import { insert } from '../../src/cli/chat/line.ts';
import {
  emptyPrompt,
  type KeyPress,
  type Prompt,
  type PromptAction,
  press,
  pressAll,
} from '../../src/cli/chat/prompt.ts';

const named = {
  left: { leftArrow: true },
  right: { rightArrow: true },
  home: { home: true },
  end: { end: true },
  backspace: { backspace: true },
  delete: { delete: true },
  enter: { return: true },
  escape: { escape: true },
};

/** Plays keys: names in braces, `^x` for control, anything else as typed. */
function keys(script: string, asked: string | null = null, from: Prompt = emptyPrompt) {
  const actions: PromptAction[] = [];
  let prompt = from;
  for (const [part] of script.matchAll(/\{\w+\}|\^\w|[\s\S]/gu)) {
    const name = part.slice(1, -1) as keyof typeof named;
    const key: KeyPress = part.startsWith('{')
      ? { input: '', ...named[name] }
      : part.startsWith('^')
        ? { input: part.slice(1), ctrl: true }
        : { input: part };
    const pressed = press(prompt, key, asked);
    prompt = pressed.prompt;
    if (pressed.action) actions.push(pressed.action);
  }
  return { text: prompt.line.text, cursor: prompt.line.cursor, rejecting: prompt.rejecting, actions };
}

describe('writing a line', () => {
  test.each([
    ['helo{left}l', 'hello'],
    ['ello{home}h{end}!', 'hello!'],
    ['abc{backspace}{left}{delete}', 'a'],
    ['one two^w', 'one '],
    ['one two{left}{left}{left}^u', 'two'],
    ['one two{home}{right}{right}{right}^k', 'one'],
    ['b^aa^ec', 'abc'],
    ['one^jtwo', 'one\ntwo'],
    ['x{left}{left}{left}{backspace}y{right}{right}{delete}z', 'yxz'],
  ])('%s', (script, text) => {
    expect(keys(script).text).toBe(text);
  });

  test('what is seen as one character is moved over and erased as one', () => {
    expect(keys('a👩‍👧b{left}{backspace}').text).toBe('ab');
    expect(keys('👍🏽{left}').cursor).toBe(0);
    expect(keys('👍🏽x{home}{delete}').text).toBe('x');
  });

  test('what is pasted keeps its lines and loses what a terminal would obey', () => {
    expect(insert(emptyPrompt.line, 'one\r\ntwo\tthree\u001b[31m\u0007\ud800').text).toBe(
      'one\ntwo    three[31m\ufffd',
    );
  });

  test('keys that came together count one by one', () => {
    expect(pressAll('one\rtwo\r').map((key) => (key.return ? '⏎' : key.input))).toEqual([
      'one',
      '⏎',
      'two',
      '⏎',
    ]);
  });

  test('Enter takes the line; Escape empties it, and stops when it is empty', () => {
    expect(keys('hi{enter}')).toMatchObject({ text: '', actions: [{ kind: 'enter', text: 'hi' }] });
    expect(keys('hi{escape}')).toMatchObject({ text: '', actions: [] });
    expect(keys('{escape}').actions).toEqual([{ kind: 'stop' }]);
  });
});

describe('deciding with one key', () => {
  test('a approves and r asks for a reason, which may be none', () => {
    expect(keys('a', 'c1').actions).toEqual([{ kind: 'decide', toolCallId: 'c1', approved: true }]);
    expect(keys('r', 'c1')).toMatchObject({ rejecting: 'c1', actions: [] });
    expect(keys('rare{enter}', 'c1').actions).toEqual([
      { kind: 'decide', toolCallId: 'c1', approved: false, reason: 'are' },
    ]);
    expect(keys('r{enter}', 'c1').actions).toEqual([{ kind: 'decide', toolCallId: 'c1', approved: false }]);
    expect(keys('rno{escape}a', 'c1').actions).toEqual([
      { kind: 'decide', toolCallId: 'c1', approved: true },
    ]);
  });

  test('in the middle of a line, after a space, or when nothing waits, they are letters', () => {
    expect(keys('bar', 'c1')).toMatchObject({ text: 'bar', actions: [] });
    expect(keys(' ar', 'c1')).toMatchObject({ text: ' ar', actions: [] });
    expect(keys('ar')).toMatchObject({ text: 'ar', rejecting: null, actions: [] });
    expect(keys('^a', 'c1').actions).toEqual([]);
  });
});

describe('commands', () => {
  test.each([
    ['/help', { kind: 'help' }],
    ['/quit', { kind: 'quit' }],
    ['/cancel', { kind: 'cancel' }],
    ['/new', { kind: 'new', title: undefined }],
    ['/new about  mail', { kind: 'new', title: 'about mail' }],
    ['/sessions', { kind: 'sessions', which: undefined }],
    ['/sessions 2', { kind: 'sessions', which: '2' }],
    ['/nonsense', { kind: 'unknown', name: 'nonsense' }],
    [' /help ', { kind: 'message', text: '/help' }],
    ['  hi  ', { kind: 'message', text: 'hi' }],
    ['   ', null],
  ])('%p', (line, command) => {
    expect(parseCommand(line)).toEqual(command);
  });
});
