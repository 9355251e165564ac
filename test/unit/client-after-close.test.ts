import { describe, expect, test } from '@jest/globals';
import { afterClose, backoffMs } from '../../src/client/after-close.ts';

describe('when to come back', () => {
  test('the wait doubles to a bound, and is spread over its second half', () => {
    expect([0, 1, 2, 5, 50].map((failures) => backoffMs(failures, () => 1))).toEqual([
      100, 200, 400, 3_200, 5_000,
    ]);
    expect(backoffMs(50, () => 0)).toBe(2_500);
  });

  test('a gateway that restarts says when, within bounds', () => {
    expect(afterClose(1012, 'Server restarting; retry_after_ms=700')).toMatchObject({
      kind: 'retry',
      delayMs: 700,
    });
    expect(afterClose(1012, 'Server restarting; retry_after_ms=99999999')).toMatchObject({ delayMs: 30_000 });
    expect(afterClose(1012, '')).not.toHaveProperty('delayMs');
  });
});
