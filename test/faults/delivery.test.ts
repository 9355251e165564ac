import { expect, test } from '@jest/globals';
import { runDelivery } from './delivery.ts';
import { planLink } from './link-plan.ts';
import { EventLedger, judgeShown, Tally } from './tally.ts';
import { answerText, question } from './truth.ts';

const runBoundMs = 180_000;

test(
  'over connections that are cut, stalled, half-opened and sliced nothing is lost, doubled, reordered or wrong',
  async () => {
    const plan = { seed: 20_261_121, clients: 12, cuts: 40, meanGoodMs: 1_500 };
    const { tally, counts, turns, events } = await runDelivery(plan, () => undefined);
    expect(tally.words).toEqual([]);
    expect(tally.isClean).toBe(true);
    expect(counts.cut + counts.half_open).toBeGreaterThanOrEqual(plan.cuts);
    expect(counts.stall).toBeGreaterThan(0);
    expect(counts.slice).toBeGreaterThan(0);
    expect(turns).toBeGreaterThan(0);
    expect(events).toBeGreaterThanOrEqual(turns * 5);
  },
  runBoundMs,
);

test('the judge sees what is lost, doubled, reordered and wrong', () => {
  const tally = new Tally();
  const ledger = new EventLedger('somebody', tally);
  for (const seq of [1, 2, 2, 5, 4]) ledger.take(seq);
  ledger.judge(5);
  expect(tally).toMatchObject({ doubled: 1, reordered: 1, lost: 1 });
  const asked = question('a session');
  const truth = answerText(asked);
  const shown = (content: string, isDone: boolean) => ({ id: 'm', content, asked, isDone });
  judgeShown('somebody', shown(truth, true), tally);
  judgeShown('somebody', shown(truth.slice(0, 7), false), tally);
  expect(tally.wrongText).toBe(0);
  judgeShown('somebody', shown(truth.slice(0, 7), true), tally);
  judgeShown('somebody', shown(`${truth.slice(0, 7)}${truth.slice(3, 9)}`, false), tally);
  expect(tally.wrongText).toBe(2);
});

test('the same seed plans the same faults, and every plan ends', () => {
  expect(planLink(3, 1, 1_000)).toEqual(planLink(3, 1, 1_000));
  expect(planLink(3, 1, 1_000)).not.toEqual(planLink(4, 1, 1_000));
  const ends = Array.from({ length: 200 }, (_, index) => planLink(9, index, 1_000).at(-1)?.kind);
  expect(new Set(ends)).toEqual(new Set(['cut', 'half_open']));
});
