import type { CharTest } from './pattern-characters.ts';

/** What a pattern becomes: steps that follow each other, but where a fork names others. */
export type Step =
  | { kind: 'char'; test: CharTest }
  | { kind: 'assert'; what: '^' | '$' | '\\b' | '\\B' }
  | { kind: 'fork'; to: number[] }
  | { kind: 'found' };

/**
 * Makes the search for steps in texts. All ways are followed at once, a character at a time, and no step is entered
 * twice for the same character: at most as much work as steps times characters.
 */
export function toSearch(steps: Step[], isWord: (char: string) => boolean): (text: string) => boolean {
  const later = beginnings(steps);
  const ascii = new Uint8Array(128);
  for (const test of later ?? []) {
    for (let point = 0; point < ascii.length; point += 1) if (test.takes(point)) ascii[point] = 1;
  }

  /** The next place where a match may begin: most characters of a text begin none. */
  function nextBeginning(text: string, from: number): number {
    if (later === null) return from;
    if (later.length === 0) return text.length + 1;
    let at = from;
    while (at < text.length && ascii[text.charCodeAt(at)] === 0) at += 1;
    return at;
  }

  return (text) => {
    const entered = new Int32Array(steps.length).fill(-1);
    let waiting: number[] = [];
    for (let at = 0; at <= text.length; ) {
      const next: number[] = [];
      const stack = waiting;
      stack.push(0);
      for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
        if (entered[index] === at) continue;
        entered[index] = at;
        const step = steps[index];
        if (step?.kind === 'found') return true;
        if (step?.kind === 'fork') stack.push(...step.to);
        else if (step?.kind === 'char') next.push(index);
        else if (step && holds(step.what, text, at, isWord)) stack.push(index + 1);
      }
      const point = text.codePointAt(at);
      if (point === undefined) return false;
      waiting = [];
      for (const index of next) {
        const step = steps[index];
        if (step?.kind === 'char' && step.test.takes(point)) waiting.push(index + 1);
      }
      at += point > 0xffff ? 2 : 1;
      if (waiting.length === 0) at = nextBeginning(text, at);
    }
    return false;
  };
}

/** What a match may begin with that does not begin the text; null: it may be empty, so also with nothing. */
function beginnings(steps: Step[]): CharTest[] | null {
  const later: CharTest[] = [];
  const entered = new Set<number>();
  const stack = [0];
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    if (entered.has(index)) continue;
    entered.add(index);
    const step = steps[index];
    if (step?.kind === 'found') return null;
    if (step?.kind === 'char') later.push(step.test);
    else if (step?.kind === 'fork') stack.push(...step.to);
    else if (step && step.what !== '^') stack.push(index + 1);
  }
  return later;
}

function holds(what: string, text: string, at: number, isWord: (char: string) => boolean): boolean {
  if (what === '^') return at === 0;
  if (what === '$') return at === text.length;
  const isBorder = isWord(text.charAt(at - 1)) !== isWord(text.charAt(at));
  return (what === '\\b') === isBorder;
}
