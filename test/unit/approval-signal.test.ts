import { describe, expect, test } from '@jest/globals';
import { parseApprovalSignal, parseCancelSignal } from '../../src/protocol/approval-signal.ts';

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

test('the cancel signal names its turn', () => {
  expect(parseCancelSignal({ turn_id: 't', more: 1 })).toEqual({ ok: true, payload: { turn_id: 't' } });
  expect(parseCancelSignal({ turn_id: '' })).toMatchObject({ ok: false });
  expect(parseCancelSignal([])).toMatchObject({ ok: false });
});
