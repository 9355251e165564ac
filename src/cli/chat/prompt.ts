import type { Key } from 'ink';
import { type Answer, type Decision, type FormField, type Json, shownJson } from '../../client/index.ts';
import { errorText } from '../../protocol/error-text.ts';
import type { Asked, Question, Scope } from './asked.ts';
import { beginFilling, type Filling, fillOn, keyAnswer } from './filling.ts';
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

const scopes: Scope[] = ['once', 'session', 'always'];

/** What the line is for, unless it is a message: why a call is rejected, what is to run instead, or an answer. */
export type Task =
  | { kind: 'reason'; asked: Extract<Asked, { kind: 'approval' }> }
  | { kind: 'edit'; asked: Extract<Asked, { kind: 'approval' }> }
  | ({ kind: 'fill' } & Filling);

/** What is being written, and what for. */
export interface Prompt {
  line: Line;
  task: Task | null;
  /** For how long the approval of this call is to be remembered. */
  remember: { id: string; scope: Scope } | null;
}

export const emptyPrompt: Prompt = { line: emptyLine, task: null, remember: null };

export type PromptAction =
  | { kind: 'enter'; text: string }
  | { kind: 'decide'; toolCallId: string; decision: Decision }
  | { kind: 'answer'; requestId: string; answer: Answer }
  | { kind: 'tell'; text: string }
  | { kind: 'stop' };

export interface Pressed {
  prompt: Prompt;
  action?: PromptAction;
}

export type KeyPress = Partial<Key> & { input: string };

/**
 * One key.
 * @param asked what a single key answers now, or null
 * @param most the most that an approval of it may be remembered for
 */
export function press(prompt: Prompt, key: KeyPress, asked: Asked | null, most: Scope = 'once'): Pressed {
  if (key.escape) return goBack(prompt);
  if (key.return) return enter(prompt);
  const isFree = prompt.task === null && prompt.line.text === '';
  if (isFree && asked !== null && !key.ctrl && !key.meta) {
    const pressed =
      asked.kind === 'approval'
        ? decideKey(prompt, key.input, asked, most)
        : questionKey(prompt, key.input, asked.question);
    if (pressed) return pressed;
  }
  return { prompt: { ...prompt, line: edit(prompt.line, key) } };
}

/** How long an approval of this call would be remembered. */
export function scopeOf({ remember }: Prompt, id: string | undefined): Scope {
  return remember !== null && remember.id === id ? remember.scope : 'once';
}

/** What came together, as fast typing does: each Enter in it counts. */
export function pressAll(input: string): KeyPress[] {
  return input
    .split(/(\r)/)
    .filter((part) => part !== '')
    .map((part) => (part === '\r' ? { input: '', return: true } : { input: part }));
}

function decideKey(
  prompt: Prompt,
  letter: string,
  asked: Extract<Asked, { kind: 'approval' }>,
  most: Scope,
): Pressed | null {
  switch (letter) {
    case 'y':
      return {
        prompt: emptyPrompt,
        action: decide(asked, { approved: true, ...rememberedFor(prompt, asked.id) }),
      };
    case 'n':
      return { prompt: { ...prompt, task: { kind: 'reason', asked } } };
    case 'e': {
      const text = shownJson(asked.call.arguments);
      return { prompt: { ...prompt, line: { text, cursor: text.length }, task: { kind: 'edit', asked } } };
    }
    case 'r': {
      const offered = scopes.slice(0, scopes.indexOf(most) + 1);
      const next = offered[(offered.indexOf(scopeOf(prompt, asked.id)) + 1) % offered.length] ?? 'once';
      const text = 'The rule does not let an approval of this call be remembered.';
      if (offered.length === 1) return { prompt, action: { kind: 'tell', text } };
      return { prompt: { ...prompt, remember: { id: asked.id, scope: next } } };
    }
    default:
      return null;
  }
}

function questionKey(prompt: Prompt, letter: string, question: Question): Pressed | null {
  const requestId = question.request_id;
  if (letter === 'n') return { prompt, action: { kind: 'answer', requestId, answer: { action: 'decline' } } };
  const content = keyAnswer(question, letter);
  if (content)
    return { prompt, action: { kind: 'answer', requestId, answer: { action: 'accept', content } } };
  if (letter !== 'y') return null;
  const filling = beginFilling(question);
  return { prompt: { ...prompt, line: lineFor(filling), task: { kind: 'fill', ...filling } } };
}

function goBack(prompt: Prompt): Pressed {
  if (prompt.task !== null || prompt.line.text !== '') return { prompt: emptyPrompt };
  return { prompt, action: { kind: 'stop' } };
}

function enter(prompt: Prompt): Pressed {
  const { line, task } = prompt;
  if (task === null) return { prompt: emptyPrompt, action: { kind: 'enter', text: line.text } };
  if (task.kind === 'reason') {
    const reason = line.text.trim();
    const why = reason === '' ? {} : { reason };
    return { prompt: emptyPrompt, action: decide(task.asked, { approved: false, ...why }) };
  }
  if (task.kind === 'edit') return enterEdit(prompt, task.asked);
  const next = fillOn(task, line.text);
  if ('fault' in next) return { prompt, action: { kind: 'tell', text: next.fault } };
  if ('filling' in next) {
    return { prompt: { ...prompt, line: lineFor(next.filling), task: { kind: 'fill', ...next.filling } } };
  }
  const requestId = task.question.request_id;
  const answer: Answer = { action: 'accept', content: next.content };
  return { prompt: emptyPrompt, action: { kind: 'answer', requestId, answer } };
}

function enterEdit(prompt: Prompt, asked: Extract<Asked, { kind: 'approval' }>): Pressed {
  const kept = rememberedFor(prompt, asked.id);
  try {
    const args = JSON.parse(prompt.line.text) as Json;
    const isSame = JSON.stringify(args) === JSON.stringify(asked.call.arguments);
    const edited = isSame ? {} : { arguments: args };
    return { prompt: emptyPrompt, action: decide(asked, { approved: true, ...edited, ...kept }) };
  } catch (error) {
    const why = errorText(error);
    return { prompt, action: { kind: 'tell', text: `This is no JSON: ${why}` } };
  }
}

/** About exactly what is shown. */
function decide(asked: Extract<Asked, { kind: 'approval' }>, decision: Decision): PromptAction {
  const { argumentsHash, toolHash, round } = asked.call.approval ?? {};
  const shown = { argumentsHash, toolHash: toolHash ?? undefined, round };
  return { kind: 'decide', toolCallId: asked.id, decision: { ...decision, ...shown } };
}

function rememberedFor(prompt: Prompt, id: string): Pick<Decision, 'remember'> {
  const scope = scopeOf(prompt, id);
  return scope === 'once' ? {} : { remember: scope };
}

/** What is usual stands there already. */
function lineFor({ fields, at }: Filling): Line {
  const standard: FormField['standard'] = fields?.[at]?.standard;
  const text = standard === undefined || standard === null ? '' : String(standard);
  return { text, cursor: text.length };
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
