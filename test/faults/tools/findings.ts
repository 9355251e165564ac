/** What may not happen. */
export const violations = [
  /** An effect that came twice though it has a key. */
  'doubled',
  /** A call that was made again after its result was lost, and nobody had said so. */
  'called_again',
  /** A call with an effect whose result was lost, and nobody was told. */
  'unreported',
  /** A decision that was acked and does not stand, or on which nobody acted. */
  'decision_lost',
  /** An effect without an approval of exactly that call before it. */
  'undecided',
  /** A result that is not what the tool did. */
  'wrong_result',
  /** Something that did not end. */
  'stuck',
  /** A client that was not given every event once, in order, as stored. */
  'gap',
  /** A process that ended and was not killed. */
  'died',
] as const;
export type Violation = (typeof violations)[number];

/** What the judge found: how often what may not happen did, the first few in words, and figures of what was done. */
export class Findings {
  readonly counts = Object.fromEntries(violations.map((kind) => [kind, 0])) as Record<Violation, number>;
  readonly words: string[] = [];
  readonly figures: Record<string, number> = {};

  get isClean(): boolean {
    return violations.every((kind) => this.counts[kind] === 0);
  }

  note(kind: Violation, words: string): void {
    this.counts[kind] += 1;
    if (this.words.length < keptWords) this.words.push(`${kind}: ${words}`);
  }

  /** Counts something that may happen. */
  figure(name: string, more = 1): void {
    this.figures[name] = (this.figures[name] ?? 0) + more;
  }
}

const keptWords = 40;
