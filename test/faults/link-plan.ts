import { seededRandom } from '../helpers/random.ts';

/** What goes wrong with a connection, after how long a time of good service. */
export type LinkFault =
  /** Both ends get a reset. */
  | { kind: 'cut'; afterMs: number }
  /** Nothing arrives any more, and nobody is told. */
  | { kind: 'half_open'; afterMs: number }
  /** Nothing arrives for a while, then all of it. */
  | { kind: 'stall'; afterMs: number; forMs: number }
  /** Every byte arrives, in pieces of so many bytes. */
  | { kind: 'slice'; afterMs: number; forMs: number; bytes: number };

export type LinkPlan = LinkFault[];

const mostFaults = 20;
const stallMs = { least: 50, most: 1_500 };
const sliceMs = { least: 50, most: 800 };
const mostSliceBytes = 48;
/** Of the faults: what ends a connection at once, what ends it in silence; the rest stall or slice it. */
const cutShare = 0.45;
const halfOpenShare = 0.05;
const stallShare = 0.25;

/** The faults of a connection; the same for the same seed and number. */
export function planLink(seed: number, connection: number, meanGoodMs: number): LinkPlan {
  const random = seededRandom(seed * 1_000_003 + connection);
  const between = (range: { least: number; most: number }) =>
    Math.round(range.least + random() * (range.most - range.least));
  const plan: LinkPlan = [];
  while (plan.length < mostFaults) {
    // Exponential: short lives are the rule, and some connections live long.
    const afterMs = Math.round(-Math.log(1 - random()) * meanGoodMs);
    const kind = random();
    if (kind < cutShare) return [...plan, { kind: 'cut', afterMs }];
    if (kind < cutShare + halfOpenShare) return [...plan, { kind: 'half_open', afterMs }];
    if (kind < cutShare + halfOpenShare + stallShare) {
      plan.push({ kind: 'stall', afterMs, forMs: between(stallMs) });
    } else {
      const bytes = 1 + Math.floor(random() * mostSliceBytes);
      plan.push({ kind: 'slice', afterMs, forMs: between(sliceMs), bytes });
    }
  }
  return [...plan, { kind: 'cut', afterMs: meanGoodMs }];
}
