import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { withinTime } from '../../src/gate/within-time.ts';
import { CallClock } from '../../src/tools/mcp-clock.ts';
import { EventLines } from '../../src/tools/mcp-event-lines.ts';
import { Intake } from '../../src/tools/mcp-intake.ts';
import { createProgressValve } from '../../src/tools/mcp-progress.ts';

test('a flood is read as fast as is agreed: after the burst, each message costs its time', () => {
  const intake = new Intake();
  let waited = 0;
  for (let message = 0; message < 20_000; message += 1) waited = intake.take(100, 1);
  // 20,000 messages of about 8 KiB's cost, less a burst of 32 MiB, at 8 MiB a second.
  expect(waited).toBeGreaterThan(10_000);
  expect(waited).toBeLessThan(20_000);
});

test('a clock that is stopped twice goes on when it is let go twice, with the time that was left', async () => {
  let expired = false;
  const clock = new CallClock(20, () => {
    expired = true;
  });
  clock.pause();
  clock.pause();
  clock.resume();
  await delay(60);
  expect(expired).toBe(false);
  const resumedAt = Date.now();
  clock.resume();
  while (!expired && Date.now() - resumedAt < 5_000) await delay(1);
  expect(expired).toBe(true);
  clock.end();
});

test('of much progress the first and the last are given on', async () => {
  const given: number[] = [];
  const valve = createProgressValve(({ progress }) => given.push(progress));
  for (let progress = 1; progress <= 1_000; progress += 1) valve.take({ progress });
  valve.end();
  expect(given).toEqual([1, 1_000]);
});

test('a stream of events is followed over any cuts', () => {
  const stream = Buffer.from('id: 1\ndata: a\n\ndata: b\r\nid:2\r\n\r\n: note\ndata: long');
  for (let size = 1; size <= stream.length; size += 1) {
    const lines = new EventLines();
    let events = 0;
    for (let from = 0; from < stream.length; from += size)
      events += lines.take(stream.subarray(from, from + size));
    expect({ events, lastId: lines.lastId, eventBytes: lines.eventBytes }).toEqual({
      events: 2,
      lastId: '2',
      eventBytes: 16,
    });
  }
});

test('what takes too long is stopped in the middle of a match, and what throws throws', () => {
  expect(withinTime(1_000, () => 5)).toEqual({ done: true, value: 5 });
  expect(withinTime(50, () => /^(a+)+$/.test(`${'a'.repeat(60)}!`))).toEqual({ done: false });
  expect(() => withinTime(1_000, () => JSON.parse('{'))).toThrow(SyntaxError);
});
