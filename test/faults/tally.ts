import { answerText } from './truth.ts';

/** What may not happen, counted; the first few are kept in words. */
export class Tally {
  lost = 0;
  doubled = 0;
  reordered = 0;
  wrongText = 0;
  readonly words: string[] = [];

  get isClean(): boolean {
    return this.lost + this.doubled + this.reordered + this.wrongText === 0;
  }

  note(kind: 'lost' | 'doubled' | 'reordered' | 'wrongText', words: string): void {
    this[kind] += 1;
    if (this.words.length < keptWords) this.words.push(`${kind}: ${words}`);
  }
}

const keptWords = 20;

/** The events as one client was given them, judged as they come. */
export class EventLedger {
  readonly #who: string;
  readonly #tally: Tally;
  readonly #seen = new Set<number>();
  #last = 0;

  constructor(who: string, tally: Tally) {
    this.#who = who;
    this.#tally = tally;
  }

  take(seq: number): void {
    if (this.#seen.has(seq)) this.#tally.note('doubled', `${this.#who} got event ${seq} twice`);
    else if (seq < this.#last) this.#tally.note('reordered', `${this.#who} got ${seq} after ${this.#last}`);
    this.#seen.add(seq);
    this.#last = Math.max(this.#last, seq);
  }

  /** @param upTo every event from the first to this one should have come */
  judge(upTo: number): void {
    for (let seq = 1; seq <= upTo; seq += 1) {
      if (!this.#seen.has(seq)) this.#tally.note('lost', `${this.#who} never got event ${seq} of ${upTo}`);
    }
  }

  get last(): number {
    return this.#last;
  }
}

/** Judges what is shown while it is streamed: always a beginning of what the model says. */
export function judgeShown(
  who: string,
  shown: { id: string; content: string; asked: string; isDone: boolean },
  tally: Tally,
): void {
  const truth = answerText(shown.asked);
  const isRight = shown.isDone ? shown.content === truth : truth.startsWith(shown.content);
  if (!isRight) {
    const at = [...shown.content].findIndex((_, index) => shown.content[index] !== truth[index]);
    tally.note('wrongText', `${who} shows message ${shown.id} wrong from ${at} on`);
  }
}
