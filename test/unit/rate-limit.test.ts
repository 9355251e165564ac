import { expect, test } from '@jest/globals';
import { RateLimit } from '../../src/gateway/rate-limit.ts';

test('a burst is let through, then so many a second, for each key apart', () => {
  const rate = new RateLimit({ perSecond: 10, burst: 3 });
  expect([0, 0, 0].map(() => rate.take('a', 1_000))).toEqual([0, 0, 0]);
  expect(rate.take('a', 1_000)).toBe(100);
  expect(rate.take('b', 1_000)).toBe(0);
  expect(rate.take('a', 1_099)).toBeGreaterThan(0);
  expect(rate.take('a', 1_100)).toBe(0);
  expect(rate.take('a', 1_100)).toBe(100);
});

test('keys that have been quiet are forgotten', () => {
  const rate = new RateLimit({ perSecond: 10, burst: 10 });
  for (let at = 0; at < 100; at += 1) rate.take(`k${at}`, 1_000);
  expect(rate.size).toBe(100);
  rate.take('late', 3_000);
  expect(rate.size).toBe(1);
});
