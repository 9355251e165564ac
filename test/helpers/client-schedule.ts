import fc from 'fast-check';

/** One thing that happens: to the session, on the way to the client, or by the client. `n` says which or how many. */
export interface Step {
  what: (typeof kinds)[number];
  n: number;
  isLost: boolean;
}

const kinds = [
  'ask',
  'start',
  'say',
  'think',
  'retry',
  'void',
  'end',
  'call',
  'tool',
  'ask_again',
  'vote',
  'remind',
  'late',
  'question',
  'resolve',
  'turn_end',
  'roll_back',
  'rename',
  'hide',
  'forget',
  'repeat_text',
  'repeat_event',
  'snapshot',
  'move',
  'answer',
  'answer_not',
  'cut',
  'time',
  'silence',
  'send',
  'decide',
  'reply',
  'refuse',
] as const;
/** What happens more often than the rest. */
const common: Step['what'][] = [
  'say',
  'say',
  'say',
  'say',
  'think',
  'start',
  'start',
  'move',
  'move',
  'move',
];
const others: Step['what'][] = [
  'retry',
  'end',
  'send',
  'send',
  'refuse',
  'repeat_text',
  'answer',
  'answer',
  'cut',
  'call',
  'call',
  'decide',
  'decide',
  'ask_again',
  'tool',
  'question',
  'reply',
];
const rare: Step['what'][] = ['forget', 'move', 'rename'];

/** Most clients are connected when it begins: what happens before that they read in the history. */
const beginnings: Step['what'][][] = [[], ['start', 'answer'], ['answer', 'answer', 'move', 'start', 'move']];

export const schedules: fc.Arbitrary<Step[]> = fc
  .tuple(
    fc.constantFrom(...beginnings, ...beginnings.slice(2)),
    fc.array(
      fc.record({
        what: fc.constantFrom(...kinds, ...common, ...others, ...rare),
        n: fc.nat(30),
        isLost: fc.nat(3).map((one) => one === 0),
      }),
      { minLength: 5, maxLength: 80, size: 'max' },
    ),
  )
  .map(([beginning, steps]) => [...beginning.map((what) => ({ what, n: 30, isLost: false })), ...steps]);
