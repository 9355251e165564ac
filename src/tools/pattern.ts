import { charTest } from './pattern-characters.ts';
import { type Step, toSearch } from './pattern-search.ts';
import { PatternFault, type PatternNode, readPattern } from './pattern-syntax.ts';

/** What a pattern becomes; more would make each character of a text too dear. */
const STEPS_MAX = 500;
const SOURCE_CHARS_MAX = 1_000;
const depthMax = 50;

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
  return toSearch(steps, (char) => isWord.test(char));
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
    if (node.kind === 'char') this.#add({ kind: 'char', test: charTest(node.source, this.#flags) });
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
}
