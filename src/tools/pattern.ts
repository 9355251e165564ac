import { PatternFault, type PatternNode, readPattern } from './pattern-syntax.ts';

/** What a pattern becomes; more would make each character of a text too dear. */
const STEPS_MAX = 500;
const SOURCE_CHARS_MAX = 1_000;
const depthMax = 50;

type CharTest = (point: number) => boolean;
type Step =
  | { kind: 'char'; test: CharTest }
  | { kind: 'assert'; what: '^' | '$' | '\\b' | '\\B' }
  | { kind: 'fork'; to: number[] }
  | { kind: 'found' };

/** A pattern that is ready: whether it is found anywhere in a text. */
export type Pattern = (text: string) => boolean;

/**
 * Compiles a regular expression into one that no text can make slow: its time is at most the product of both lengths,
 * because all ways to match are followed at once instead of one after the other. `(?i)` at the front: without regard
 * to case.
 * @throws PatternFault in words that follow the field's name
 */
export function compilePattern(text: string): Pattern {
  const ignoresCase = text.startsWith('(?i)');
  const source = ignoresCase ? text.slice('(?i)'.length) : text;
  if (source.length > SOURCE_CHARS_MAX) {
    throw new PatternFault(`must be at most ${SOURCE_CHARS_MAX} characters long`);
  }
  const flags = ignoresCase ? 'iu' : 'u';
  const node = readPattern(checked(source, flags));
  const steps = new Program(flags).compile(node);
  const isWord = new RegExp('\\w', flags);
  return (searched) => search(steps, searched, (char) => isWord.test(char));
}

function checked(source: string, flags: string): string {
  try {
    new RegExp(source, flags);
    return source;
  } catch (error) {
    // The message begins with the expression itself.
    const why = String(error).replace(/^.*?: (?=[^:]*$)/s, '');
    throw new PatternFault(`is not a regular expression: ${why}`);
  }
}

class Program {
  readonly #steps: Step[] = [];
  readonly #tests = new Map<string, CharTest>();
  readonly #flags: string;
  #depth = 0;

  constructor(flags: string) {
    this.#flags = flags;
  }

  compile(node: PatternNode): Step[] {
    this.#emit(node);
    this.#add({ kind: 'found' });
    return this.#steps;
  }

  #emit(node: PatternNode): void {
    this.#depth += 1;
    if (this.#depth > depthMax) throw new PatternFault(`must not be nested more than ${depthMax} deep`);
    if (node.kind === 'char') this.#add({ kind: 'char', test: this.#test(node.source) });
    else if (node.kind === 'assert') this.#add(node);
    else if (node.kind === 'sequence') for (const part of node.parts) this.#emit(part);
    else if (node.kind === 'choice') this.#emitChoice(node.options);
    else this.#emitRepeat(node);
    this.#depth -= 1;
  }

  #emitChoice(options: PatternNode[]): void {
    const fork = this.#fork();
    const ends = options.map((option) => {
      fork.push(this.#steps.length);
      this.#emit(option);
      return this.#fork();
    });
    for (const end of ends) end.push(this.#steps.length);
  }

  #emitRepeat({ part, min, max }: Extract<PatternNode, { kind: 'repeat' }>): void {
    for (let times = 0; times < min; times += 1) {
      const before = this.#steps.length;
      this.#emit(part);
      // Nothing, however often, is nothing.
      if (this.#steps.length === before) return;
    }
    if (max === Number.POSITIVE_INFINITY) {
      const start = this.#steps.length;
      const fork = this.#fork();
      fork.push(this.#steps.length);
      this.#emit(part);
      this.#fork().push(start);
      fork.push(this.#steps.length);
      return;
    }
    const skips: number[][] = [];
    for (let times = min; times < max; times += 1) {
      const fork = this.#fork();
      fork.push(this.#steps.length);
      skips.push(fork);
      this.#emit(part);
    }
    for (const skip of skips) skip.push(this.#steps.length);
  }

  /** A step that goes on at several; they are added to what is answered. */
  #fork(): number[] {
    const to: number[] = [];
    this.#add({ kind: 'fork', to });
    return to;
  }

  #add(step: Step): void {
    if (this.#steps.length >= STEPS_MAX) {
      throw new PatternFault(`must be simpler: written out it has more than ${STEPS_MAX} parts`);
    }
    this.#steps.push(step);
  }

  /** Which characters one place takes: JavaScript's own word on it, kept for ASCII and for the character asked last. */
  #test(source: string): CharTest {
    const made = this.#tests.get(source);
    if (made) return made;
    const expression = new RegExp(`^${source}$`, this.#flags);
    const ask = (point: number) => expression.test(String.fromCodePoint(point));
    const ascii = Array.from({ length: 128 }, (_, point) => ask(point));
    let last = { point: -1, fits: false };
    const test: CharTest = (point) => {
      if (point < 128) return ascii[point] === true;
      if (point !== last.point) last = { point, fits: ask(point) };
      return last.fits;
    };
    this.#tests.set(source, test);
    return test;
  }
}

/** Follows all ways at once, a character at a time; no step is entered twice for the same character. */
function search(steps: Step[], text: string, isWord: (char: string) => boolean): boolean {
  const entered = new Int32Array(steps.length).fill(-1);
  let waiting: number[] = [];
  for (let at = 0; ; ) {
    const next: number[] = [];
    const stack = [...waiting, 0];
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
      if (step?.kind === 'char' && step.test(point)) waiting.push(index + 1);
    }
    at += point > 0xffff ? 2 : 1;
  }
}

function holds(what: string, text: string, at: number, isWord: (char: string) => boolean): boolean {
  if (what === '^') return at === 0;
  if (what === '$') return at === text.length;
  const isBorder = isWord(text.charAt(at - 1)) !== isWord(text.charAt(at));
  return (what === '\\b') === isBorder;
}
