import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { parseApprovalSignal, parseCancelSignal } from '../../src/protocol/approval-signal.ts';
import { describeWaiting } from '../../src/workflows/operator-details.ts';

const waitingCall = {
  ...{ toolCallId: 'c', tool: 'office.send_mail', arguments: '{}', gate: 'ask' as const },
  ...{ rule: 'ask', reason: 'so', timeoutMs: 1_000 },
};

describe('the approval signal', () => {
  test('is taken with and without what may be left out; what it does not know is dropped', () => {
    const bare = { tool_call_id: 'c', approved: true };
    expect(parseApprovalSignal(bare)).toEqual({ ok: true, payload: bare });
    const whole = { ...bare, approved: false, reason: '', decision_id: 'd', round: 2, vote: true };
    expect(parseApprovalSignal({ ...whole, more: 1 })).toEqual({ ok: true, payload: whole });
  });

  test.each([
    [undefined, 'payload: must be an object'],
    [null, 'payload: must be an object'],
    ['yes', 'payload: must be an object'],
    [[{ tool_call_id: 'c', approved: true }], 'payload: must be an object'],
    [{ approved: true }, 'tool_call_id: must be a string that is not empty'],
    [{ tool_call_id: '', approved: true }, 'tool_call_id: must be a string that is not empty'],
    [{ tool_call_id: 7, approved: true }, 'tool_call_id: must be a string that is not empty'],
    [{ tool_call_id: 'c' }, 'approved: must be true or false'],
    [{ tool_call_id: 'c', approved: 'true' }, 'approved: must be true or false'],
    [
      { tool_call_id: 'c', approved: true, reason: 'x'.repeat(2_001) },
      'reason: must be a string of at most 2000 characters',
    ],
    [
      { tool_call_id: 'c', approved: true, reason: null },
      'reason: must be a string of at most 2000 characters',
    ],
    [
      { tool_call_id: 'c', approved: true, decision_id: '' },
      'decision_id: must be a string that is not empty',
    ],
    [{ tool_call_id: 'c', approved: true, round: '2' }, 'round: must be a whole number'],
  ])('%j is refused with the reason', (payload, problem) => {
    expect(parseApprovalSignal(payload)).toEqual({ ok: false, problem });
  });
});

test('the examples for operators are signals, and say which round they are about', () => {
  const page = readFileSync(fileURLToPath(new URL('../../docs/operations.md', import.meta.url)), 'utf8');
  const details = describeWaiting({ turnId: 't', userId: 'u' }, [
    { call: waitingCall, since: 0, question: null },
  ]);
  const examples = [
    ...page.matchAll(/--name approval \\\n\s+--input '(.+)'/g),
    ...details.matchAll(/signal `approval` with `(.+?)`/g),
  ].map(([, json = '']) => parseApprovalSignal(JSON.parse(json)));
  expect(examples).toHaveLength(3);
  for (const example of examples) expect(example).toMatchObject({ ok: true, payload: { round: 1 } });
});

test('the cancel signal names its turn', () => {
  expect(parseCancelSignal({ turn_id: 't', more: 1 })).toEqual({ ok: true, payload: { turn_id: 't' } });
  expect(parseCancelSignal({ turn_id: '' })).toMatchObject({ ok: false });
  expect(parseCancelSignal([])).toMatchObject({ ok: false });
});
