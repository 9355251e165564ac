import type { Key } from 'ink';
import {
  backspace,
  deleteForward,
  emptyLine,
  eraseToEnd,
  eraseToStart,
  eraseWord,
  insert,
  type Line,
  left,
  moveTo,
  right,
} from './line.ts';

/** What is being written, and for which tool call it is the reason, if for one. */
export interface Prompt {
  line: Line;
  rejecting: string | null;
}

export const emptyPrompt: Prompt = { line: emptyLine, rejecting: null };

export type PromptAction =
  | { kind: 'enter'; text: string }
  | { kind: 'decide'; toolCallId: string; approved: boolean; reason?: string }
  | { kind: 'stop' };

export interface Pressed {
  prompt: Prompt;
  action?: PromptAction;
}

export type KeyPress = Partial<Key> & { input: string };

/**
 * One key.
 * @param asked the tool call that a single key decides now, or null
 */
export function press(prompt: Prompt, key: KeyPress, asked: string | null): Pressed {
  if (key.escape) return goBack(prompt);
  if (key.return) return enter(prompt);
  const isFree = prompt.rejecting === null && prompt.line.text === '';
  if (isFree && asked !== null && !key.ctrl && !key.meta) {
    if (key.input === 'a') return { prompt, action: { kind: 'decide', toolCallId: asked, approved: true } };
    if (key.input === 'r') return { prompt: { line: emptyLine, rejecting: asked } };
  }
  return { prompt: { ...prompt, line: edit(prompt.line, key) } };
}

/** What came together, as fast typing does: each Enter in it counts. */
export function pressAll(input: string): KeyPress[] {
  return input
    .split(/(\r)/)
    .filter((part) => part !== '')
    .map((part) => (part === '\r' ? { input: '', return: true } : { input: part }));
}

function goBack(prompt: Prompt): Pressed {
  if (prompt.rejecting !== null || prompt.line.text !== '') return { prompt: emptyPrompt };
  return { prompt, action: { kind: 'stop' } };
}

function enter(prompt: Prompt): Pressed {
  const { line, rejecting } = prompt;
  if (rejecting === null) return { prompt: emptyPrompt, action: { kind: 'enter', text: line.text } };
  const reason = line.text.trim();
  const decision = { toolCallId: rejecting, approved: false, ...(reason === '' ? {} : { reason }) };
  return { prompt: emptyPrompt, action: { kind: 'decide', ...decision } };
}

function edit(line: Line, key: KeyPress): Line {
  if (key.leftArrow) return left(line);
  if (key.rightArrow) return right(line);
  if (key.home) return moveTo(line, 0);
  if (key.end) return moveTo(line, line.text.length);
  if (key.backspace) return backspace(line);
  if (key.delete) return deleteForward(line);
  if (key.ctrl) return control(line, key.input);
  if (key.meta || key.tab || key.upArrow || key.downArrow || key.pageUp || key.pageDown) return line;
  return insert(line, key.input);
}

function control(line: Line, letter: string): Line {
  switch (letter) {
    case 'a':
      return moveTo(line, 0);
    case 'e':
      return moveTo(line, line.text.length);
    case 'u':
      return eraseToStart(line);
    case 'k':
      return eraseToEnd(line);
    case 'w':
      return eraseWord(line);
    case 'j':
      return insert(line, '\n');
    default:
      return line;
  }
}
