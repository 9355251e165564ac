/** A regular expression, as far as it can be matched in time that grows with the text and not faster. */
export type PatternNode =
  /** One character; `test` is a regular expression's source that says which. */
  | { kind: 'char'; source: string }
  | { kind: 'assert'; what: '^' | '$' | '\\b' | '\\B' }
  | { kind: 'sequence'; parts: PatternNode[] }
  | { kind: 'choice'; options: PatternNode[] }
  | { kind: 'repeat'; part: PatternNode; min: number; max: number };

export class PatternFault extends Error {}

/** A class, an escape (a pair of surrogates is one character), or a character that stands for itself. */
const oneCharacter =
  /\[(\\.|[^\]\\])*\]|\\p\{[^}]*\}|\\u\{[^}]*\}|\\ud[89ab][\da-f]{2}\\ud[c-f][\da-f]{2}|\\u[\da-f]{4}|\\x[\da-f]{2}|\\c[a-z]|\\.|./isuy;

/**
 * Reads the subset of JavaScript's regular expressions that needs no going back: no lookaround, no references.
 * @param source must be one that JavaScript takes with the flag `u`
 * @throws PatternFault in words that follow the field's name
 */
export function readPattern(source: string): PatternNode {
  const reader = new Reader(source);
  const node = reader.choice();
  if (!reader.isAtEnd) throw new PatternFault('is not a regular expression');
  return node;
}

class Reader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  choice(): PatternNode {
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    const [only, ...others] = options;
    return only !== undefined && others.length === 0 ? only : { kind: 'choice', options };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (!this.isAtEnd && !this.#sees('|') && !this.#sees(')')) parts.push(this.#repeated());
    return { kind: 'sequence', parts };
  }

  #repeated(): PatternNode {
    const part = this.#atom();
    if (!this.#match(/[*+?]|\{\d+(,\d*)?\}/y)) return part;
    const [min, max] = timesOf(this.#last);
    // Which of several ways is taken first makes no difference to whether there is one.
    this.#take('?');
    return { kind: 'repeat', part, min, max };
  }

  #atom(): PatternNode {
    if (this.#take('(')) return this.#group();
    if (this.#match(/\^|\$|\\b|\\B/y)) return { kind: 'assert', what: this.#last as '^' };
    if (this.#match(/\\[1-9]|\\k/y)) throw new PatternFault('must not refer back to a group');
    if (this.#match(oneCharacter)) return { kind: 'char', source: this.#last };
    throw new PatternFault('is not a regular expression');
  }

  #group(): PatternNode {
    if (this.#match(/\?(?!:)/y)) {
      throw new PatternFault('must not look ahead or behind, or name groups; `(?: )` and `( )` are fine');
    }
    this.#take('?:');
    const node = this.choice();
    if (!this.#take(')')) throw new PatternFault('is not a regular expression');
    return node;
  }

  #last = '';

  #match(expression: RegExp): boolean {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#source);
    if (found === null) return false;
    this.#last = found[0];
    this.#at += found[0].length;
    return true;
  }

  #sees(text: string): boolean {
    return this.#source.startsWith(text, this.#at);
  }

  #take(text: string): boolean {
    if (!this.#sees(text)) return false;
    this.#at += text.length;
    return true;
  }
}

function timesOf(quantifier: string): [min: number, max: number] {
  if (quantifier === '*') return [0, Number.POSITIVE_INFINITY];
  if (quantifier === '+') return [1, Number.POSITIVE_INFINITY];
  if (quantifier === '?') return [0, 1];
  const [min = '', max = min] = quantifier.slice(1, -1).split(',');
  return [Number(min), max === '' ? Number.POSITIVE_INFINITY : Number(max)];
}
