import { describe, expect, test } from '@jest/globals';
import { SessionActivity } from '../../src/gateway/session-activity.ts';
import type { EventFrame } from '../../src/protocol/server-frames.ts';

const calm = { turn: null, queued: [], stream: null, waiting: [], runningTools: [], asking: [] };
let seq = 0;
function event<T extends EventFrame['type']>(
  type: T,
  body: Omit<Extract<EventFrame, { type: T }>, 'type' | 'seq' | 'session_id' | 'ts' | 'turn_id'>,
  turnId = 't1',
): EventFrame {
  seq += 1;
  return { type, seq, session_id: 's', ts: 1_000, turn_id: turnId, ...body } as unknown as EventFrame;
}
const saved = (turnId: string) =>
  event('message_saved', { message_id: 'm', role: 'user', content: 'x', attachments: [] }, turnId);
const started = (turnId = 't1') => event('turn_started', { workflow_id: 'w', run_id: 'r' }, turnId);
const ended = (turnId = 't1') => event('turn_end', { status: 'completed', usage: null }, turnId);
const streamStart = () => event('stream_start', { message_id: 'a', attempt: 1 });
const streamEnd = () =>
  event('stream_end', { message_id: 'a', content: '', finish_reason: 'tool_calls', usage: null });
const request = (id: string) =>
  event('tool_approval_request', {
    tool_call_id: id,
    tool: 'x.y',
    arguments: {},
    arguments_hash: 'h',
    reason: '',
    expires_at: 1,
    approvers: [],
    needed: 1,
  });
const resolved = (id: string, decision: 'approved' | 'rejected') =>
  event('tool_approval_resolved', { tool_call_id: id, decision, by: 'u', at: 1 });
const toolStarted = (id: string, attempt = 1) => event('tool_started', { tool_call_id: id, attempt });
const toolResult = (id: string) =>
  event('tool_result', { tool_call_id: id, status: 'completed', result: null, error: null });

describe('what the agent does, by its events', () => {
  test('a turn with a gated call, from its message to its end', () => {
    const activity = new SessionActivity(calm, 0);
    const stateAfter = (frame: EventFrame, isSpeaking = false) => {
      activity.apply(frame);
      return activity.state(isSpeaking);
    };
    expect(activity.state(false)).toBe('idle');
    expect(stateAfter(saved('t1'))).toBe('thinking');
    expect(stateAfter(started())).toBe('thinking');
    expect(stateAfter(streamStart())).toBe('thinking');
    expect(activity.state(true)).toBe('streaming');
    expect(stateAfter(streamEnd())).toBe('thinking');
    expect(stateAfter(request('c1'))).toBe('waiting_approval');
    expect(stateAfter(request('c2'))).toBe('waiting_approval');
    expect(stateAfter(resolved('c1', 'approved'))).toBe('thinking');
    expect(stateAfter(toolStarted('c1'))).toBe('running_tool');
    expect(stateAfter(toolResult('c1'))).toBe('waiting_approval');
    expect(activity.frame(5_000, false)).toEqual({
      type: 'agent_status',
      status: 'waiting_approval',
      turn_id: 't1',
      details: { elapsed_ms: 4_000, tool_call_id: 'c2' },
    });
    expect(stateAfter(resolved('c2', 'rejected'))).toBe('thinking');
    expect(stateAfter(ended())).toBe('idle');
  });

  test('is not idle while a turn waits, and a queued turn that ends changes nothing of the running one', () => {
    const activity = new SessionActivity(calm, 0);
    for (const frame of [saved('t1'), started(), saved('t2'), saved('t3')]) activity.apply(frame);
    activity.apply(ended('t3'));
    expect(activity.frame(1_000, false)).toMatchObject({ status: 'thinking', turn_id: 't1' });
    activity.apply(ended('t1'));
    expect(activity.state(false)).toBe('thinking');
    activity.apply(started('t2'));
    activity.apply(ended('t2'));
    expect(activity.state(false)).toBe('idle');
  });

  test('a new attempt of a step or a call is a retry', () => {
    const activity = new SessionActivity(calm, 0);
    activity.apply(started());
    expect(activity.apply(streamStart())).toBeNull();
    expect(activity.apply(event('stream_reset', { message_id: 'a', attempt: 2 }))).toMatchObject({
      status: 'retrying',
      details: { attempt: 2 },
    });
    expect(activity.apply(event('stream_reset', { message_id: 'a' }))).toBeNull();
    expect(activity.apply(toolStarted('c1'))).toBeNull();
    expect(activity.apply(toolStarted('c1', 2))).toMatchObject({
      status: 'retrying',
      details: { attempt: 2, tool_call_id: 'c1' },
    });
  });

  test('stalls once a silence, only while something should be running', () => {
    const activity = new SessionActivity(
      { ...calm, waiting: ['c1'], turn: { turnId: 't1', startedAt: 0 } },
      0,
    );
    expect(activity.beginsToStall(60_000, 5_000, false)).toBe(false);
    activity.apply(resolved('c1', 'approved'));
    activity.sign(60_000);
    expect(activity.beginsToStall(64_999, 5_000, false)).toBe(false);
    expect(activity.beginsToStall(65_000, 5_000, false)).toBe(true);
    expect(activity.beginsToStall(99_000, 5_000, false)).toBe(false);
    expect(activity.frame(99_000, false)).toMatchObject({
      status: 'stalled',
      details: { heartbeat_at: 60_000 },
    });
    expect(activity.sign(99_000)).toBe(true);
    expect(activity.sign(99_001)).toBe(false);
    expect(activity.beginsToStall(104_001, 5_000, false)).toBe(true);
  });

  test('a notice of a turn that has ended came too late', () => {
    const activity = new SessionActivity(calm, 0);
    const notice = {
      type: 'agent_status' as const,
      status: 'streaming' as const,
      turn_id: 't1',
      details: {},
    };
    activity.apply(started());
    expect(activity.heed(notice, 1)).toBe(true);
    expect(activity.frame(2, false)).toBe(notice);
    activity.apply(ended());
    expect(activity.heed(notice, 3)).toBe(false);
    expect(activity.frame(4, false)).toMatchObject({ status: 'idle' });
  });
});
