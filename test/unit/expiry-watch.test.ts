import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ExpiryWatch } from '../../src/gateway/expiry-watch.ts';

let watch: ExpiryWatch;
let ended: string[];
const start = Date.now();

beforeEach(() => {
  watch = new ExpiryWatch();
  ended = [];
});
afterEach(() => watch.close());

const add = (name: string, inMs: number | null) =>
  watch.watch(inMs === null ? null : start + inMs, () => ended.push(name));

test('each ends within half a second of its time, none before, and once', () => {
  for (let n = 0; n < 100; n += 1) add(`${10_000 + n * 37}`, 10_000 + n * 37);
  for (let at = 9_000; at < 15_000; at += 60) {
    watch.pass(start + at);
    const due = ended.map(Number);
    expect(due.filter((time) => time > at)).toEqual([]);
    expect(due.length).toBeGreaterThanOrEqual(
      Array.from({ length: 100 }, (_, n) => 10_000 + n * 37).filter((time) => time <= at - 500).length,
    );
  }
  expect(ended.length).toBe(100);
  expect(new Set(ended).size).toBe(100);
  expect(watch.size).toBe(0);
});

test('a new token puts the end off, or brings it near; what stopped or never expires does not end', () => {
  const [later, sooner, stopped] = [add('later', 10_000), add('sooner', 60_000), add('stopped', 10_000)];
  add('endless', null);
  later.renew(start + 30_000);
  sooner.renew(start + 12_000);
  stopped.stop();
  stopped.stop();
  expect(watch.size).toBe(2);
  watch.pass(start + 20_000);
  expect(ended).toEqual(['sooner']);
  later.renew(null);
  watch.pass(start + 100_000);
  expect(ended).toEqual(['sooner']);
  expect(watch.size).toBe(0);
});

test('what has expired already ends in the next round, and a sleeping machine makes up for it', () => {
  add('gone', -60_000);
  add('soon', 5_000);
  watch.pass(start + 1_000);
  expect(ended).toEqual(['gone']);
  watch.pass(start + 30 * 24 * 3_600_000);
  expect(ended).toEqual(['gone', 'soon']);
  // A clock that is set back ends nothing twice, and nothing is forgotten.
  watch.pass(start);
  add('late', 2_000);
  watch.pass(start + 40 * 24 * 3_600_000);
  expect(ended).toEqual(['gone', 'soon', 'late']);
});

test('one that ends another while it ends has ended it once', () => {
  const first = watch.watch(start + 10_000, () => {
    other.stop();
    first.renew(start + 20_000);
    ended.push('first');
  });
  const other = add('other', 10_000);
  watch.pass(start + 11_000);
  expect(ended).toEqual(['first']);
  watch.pass(start + 21_000);
  expect(ended).toEqual(['first', 'first']);
});
