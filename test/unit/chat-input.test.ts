import { describe, expect, test } from '@jest/globals';
import type { Asked, Scope } from '../../src/cli/chat/asked.ts';
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
function keys(script: string, asked: Asked | null = null, from: Prompt = emptyPrompt, most: Scope = 'once') {
  const actions: PromptAction[] = [];
  let prompt = from;
  for (const [part] of script.matchAll(/\{\w+\}|\^\w|[\s\S]/gu)) {
    const name = part.slice(1, -1) as keyof typeof named;
    const key: KeyPress = /^\{./.test(part)
      ? { input: '', ...named[name] }
      : part.startsWith('^')
        ? { input: part.slice(1), ctrl: true }
        : { input: part };
    const pressed = press(prompt, key, asked, most);
    prompt = pressed.prompt;
    if (pressed.action) actions.push(pressed.action);
  }
  return { text: prompt.line.text, cursor: prompt.line.cursor, task: prompt.task?.kind ?? null, actions };
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

const call = {
  id: 'c1',
  tool: 'office.send_mail',
  arguments: { to: 'bob' },
  approval: { argumentsHash: 'hash', toolHash: 'tool', round: 1 },
};
const approval = { kind: 'approval', id: 'c1', at: 1, call } as unknown as Asked;
const shown = { argumentsHash: 'hash', toolHash: 'tool', round: 1 };
const decided = (decision: object) => [
  { kind: 'decide', toolCallId: 'c1', decision: { ...decision, ...shown } },
];

function asking(properties: object, required: string[] = []): Asked {
  const schema = { type: 'object', properties, required };
  return {
    kind: 'question',
    id: 'q',
    at: 1,
    question: { request_id: 'q', message: 'Which?', schema },
  } as never;
}
const answered = (content: object) => [
  { kind: 'answer', requestId: 'q', answer: { action: 'accept', content } },
];

describe('deciding with one key', () => {
  test('y approves and n asks for a reason, which may be none', () => {
    expect(keys('y', approval).actions).toEqual(decided({ approved: true }));
    expect(keys('n', approval)).toMatchObject({ task: 'reason', actions: [] });
    expect(keys('never{enter}', approval).actions).toEqual(decided({ approved: false, reason: 'ever' }));
    expect(keys('n{enter}', approval).actions).toEqual(decided({ approved: false }));
    expect(keys('nno{escape}y', approval).actions).toEqual(decided({ approved: true }));
  });

  test('e changes the arguments, which stand there already; what is no JSON stays to be mended', () => {
    expect(keys('e', approval)).toMatchObject({ task: 'edit', text: '{"to":"bob"}' });
    const ann = 'e{left}{left}{backspace}{backspace}{backspace}ann';
    expect(keys(`${ann}{enter}`, approval).actions).toEqual(
      decided({ approved: true, arguments: { to: 'ann' } }),
    );
    expect(keys('e{enter}', approval).actions).toEqual(decided({ approved: true }));
    expect(keys('e{backspace}{enter}', approval)).toMatchObject({
      text: '{"to":"bob"',
      task: 'edit',
      actions: [{ kind: 'tell', text: expect.stringMatching(/^This is no JSON/) }],
    });
  });

  test('r says for how long, as far as the rule lets it', () => {
    expect(keys('r', approval).actions).toEqual([
      { kind: 'tell', text: expect.stringContaining('The rule') },
    ]);
    const of = (script: string, most: Scope) => keys(script, approval, emptyPrompt, most).actions;
    expect(of('ry', 'session')).toEqual(decided({ approved: true, remember: 'session' }));
    expect(of('rry', 'session')).toEqual(decided({ approved: true }));
    expect(of('rry', 'always')).toEqual(decided({ approved: true, remember: 'always' }));
    const edited = of('re{left}{backspace}!"{enter}', 'session');
    expect(edited).toEqual(decided({ approved: true, remember: 'session', arguments: { to: 'bob!' } }));
  });

  test('in the middle of a line, after a space, or when nothing waits, they are letters', () => {
    expect(keys('my', approval)).toMatchObject({ text: 'my', actions: [] });
    expect(keys(' yner', approval)).toMatchObject({ text: ' yner', actions: [] });
    expect(keys('yner')).toMatchObject({ text: 'yner', task: null, actions: [] });
    expect(keys('^e', approval)).toMatchObject({ task: null, actions: [] });
  });
});

describe('answering a question', () => {
  const room = { type: 'string', title: 'Room', enum: ['Birch', 'Cedar'] };

  test('that wants one of a few choices takes a digit; n declines', () => {
    expect(keys('2', asking({ room }, ['room'])).actions).toEqual(answered({ room: 'Cedar' }));
    expect(keys('3', asking({ room }, ['room']))).toMatchObject({ text: '3', actions: [] });
    expect(keys('n', asking({ room })).actions).toEqual([
      { kind: 'answer', requestId: 'q', answer: { action: 'decline' } },
    ]);
  });

  test('field after field: by number or name, what is usual stands there, and a wrong one is told', () => {
    const asked = asking({ room, guests: { type: 'integer', default: 4 }, coffee: { type: 'boolean' } }, [
      'room',
    ]);
    expect(keys('y1{enter}{enter}{enter}', asked).actions).toEqual(answered({ room: 'Birch', guests: 4 }));
    expect(keys('yCedar{enter}{backspace}12{enter}y{enter}', asked).actions).toEqual(
      answered({ room: 'Cedar', guests: 12, coffee: true }),
    );
    const wrong = keys('y{enter}', asked);
    expect(wrong).toMatchObject({ task: 'fill', actions: [{ kind: 'tell', text: 'Room: is needed.' }] });
    expect(keys('y9{enter}', asked).actions).toMatchObject([{ kind: 'tell' }]);
    expect(keys('y1{escape}', asked)).toMatchObject({ task: null, text: '', actions: [] });
  });

  test('that is no form is answered in JSON', () => {
    const asked = asking({ people: { type: 'array' } });
    expect(keys('y{"people":[1]}{enter}', asked).actions).toEqual(answered({ people: [1] }));
    expect(keys('yno{enter}', asked).actions).toMatchObject([{ kind: 'tell' }]);
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
