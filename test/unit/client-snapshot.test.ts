import { describe, expect, test } from '@jest/globals';
import { applyFrame, type Known, startKnown } from '../../src/client/apply.ts';
import { openTurn, undecided } from '../../src/client/index.ts';
import { protocolRules } from '../../src/client/rules.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { answered, asks, call, ended, resolved, result, said, started } from '../helpers/conversation.ts';

const live = (frame: ServerFrame) => frame;

/** Plays frames; events get their seq. */
function play(frames: object[], from: Known = startKnown('s')): Known {
  return frames.reduce<Known>((known, frame) => {
    const isLive =
      'type' in frame && ['typing', 'presence', 'tool_progress', 'welcome'].includes(String(frame.type));
    const head = { seq: known.view.lastSeq + 1, session_id: 's', ts: known.view.lastSeq + 1 };
    return applyFrame(known, (isLive ? frame : { ...frame, ...head }) as ServerFrame, protocolRules).known;
  }, from);
}

describe('the snapshot', () => {
  test('has messages in the order of turns: one that waits stands after the answer before it', () => {
    const { view } = play([said('t1', 'one'), started('t1'), said('t2', 'two'), answered('t1', 'first')]);
    expect(view.messages.map((message) => message.content)).toEqual(['one', 'first', 'two']);
    expect(view.turns).toMatchObject([
      { id: 't1', status: 'running' },
      { id: 't2', status: 'queued' },
    ]);
    expect(openTurn(view)?.id).toBe('t1');
  });

  test('follows a tool call from the question to its result', () => {
    const asked = play([said('t1', 'go'), started('t1'), call('c1'), call('c2'), asks('c1'), asks('c2')]);
    expect(undecided(asked.view).map((one) => one.id)).toEqual(['c1', 'c2']);
    expect(asked.view.toolCalls.c1).toMatchObject({
      status: 'waiting_approval',
      approval: { argumentsHash: 'hash-c1' },
    });
    const progress = live({ type: 'tool_progress', tool_call_id: 'c1', progress: 1, total: 2 });
    const running = play(
      [resolved('c1', 'approved'), { type: 'tool_started', tool_call_id: 'c1', attempt: 1 }, progress],
      asked,
    );
    expect(running.view.toolCalls.c1).toMatchObject({
      status: 'running',
      approval: null,
      decision: { decision: 'approved', by: 'ann' },
      progress: { progress: 1, total: 2 },
    });
    const done = play([result('c1', 'completed'), resolved('c2', 'rejected', 'no'), ended('t1')], running);
    expect(done.view.toolCalls).toMatchObject({
      c1: { status: 'completed', progress: null },
      c2: { status: 'rejected', decision: { reason: 'no' } },
    });
    expect(undecided(done.view)).toEqual([]);
    expect(openTurn(done.view)).toBeUndefined();
  });

  test('shows what was asked last of a gate: round, votes, reminders, and what was changed', () => {
    const me = { type: 'welcome', user: { id: 'me', email: null, name: null } };
    const first = play([
      live(me as ServerFrame),
      call('c1'),
      { ...asks('c1'), needed: 2, tool_hash: 'tool' },
    ]);
    expect(undecided(first.view).map(({ id }) => id)).toEqual(['c1']);
    const voted = play(
      [
        { type: 'tool_approval_vote', tool_call_id: 'c1', by: 'me', at: 7, approvals: 1, needed: 2 },
        {
          type: 'tool_approval_reminder',
          tool_call_id: 'c1',
          number: 1,
          expires_at: 120,
          approvers: ['bob'],
        },
        { ...asks('c1'), needed: 2, level: 1, because: 'escalated', approvers: ['bob'] },
      ],
      first,
    );
    // Mine is given; it is bob who is waited for.
    expect(undecided(voted.view)).toEqual([]);
    expect(voted.view.toolCalls.c1?.approval).toMatchObject({
      approvals: [{ by: 'me', at: 7 }],
      reminders: 1,
      level: 1,
      because: 'escalated',
      approvers: ['bob'],
    });
    const edited = { to: 'ann' };
    const again = { ...asks('c1'), round: 2, because: 'edited', arguments: edited, arguments_hash: 'other' };
    const asked = play([again], voted);
    expect(asked.view.toolCalls.c1).toMatchObject({
      arguments: edited,
      originalArguments: { to: 'c1' },
      approval: { round: 2, approvals: [], reminders: 0, argumentsHash: 'other', toolHash: null },
    });
    const late = { type: 'tool_late_result', tool_call_id: 'c1', attempt: 1, status: 'completed' };
    const done = play(
      [
        { ...resolved('c1', 'approved'), arguments: { to: 'eve' }, remember: 'session' },
        result('c1', 'completed'),
        { ...late, result: 'sent', error: null },
      ],
      asked,
    );
    expect(done.view.toolCalls.c1).toMatchObject({
      status: 'completed',
      arguments: { to: 'eve' },
      originalArguments: { to: 'c1' },
      decision: { by: 'ann', remember: 'session' },
      lateResults: [{ attempt: 1, result: 'sent' }],
    });
  });

  test('what did not change is the same object', () => {
    const before = play([said('t1', 'one'), said('t2', 'two')]);
    const after = play([started('t1')], before);
    expect(after.view.messages).toBe(before.view.messages);
    expect(after.view.toolCalls).toBe(before.view.toolCalls);
    const ignored = applyFrame(
      after,
      { ...said('t1', 'one'), seq: 1, session_id: 's', ts: 1 } as ServerFrame,
      protocolRules,
    );
    expect(ignored).toMatchObject({ isTaken: false, want: 'nothing' });
    expect(ignored.known).toBe(after);
  });

  test('who is there and who types is forgotten with the connection', () => {
    const there = play([
      live({ type: 'presence', users: [{ user_id: 'bob', devices: 2 }] }),
      live({ type: 'typing', user_id: 'bob', active: true }),
    ]);
    expect(there.view).toMatchObject({ presence: [{ user_id: 'bob' }], typing: ['bob'] });
    const welcome = live({
      type: 'welcome',
      session_id: 's',
      connection_id: 'c',
      user: { id: 'u', email: null, name: null },
      last_seq: 0,
      heartbeat_ms: 30_000,
      protocol: 'turngate.v1',
    });
    expect(play([welcome], there).view).toMatchObject({ presence: [], typing: [], user: { id: 'u' } });
  });

  test('questions come and go', () => {
    const question = {
      type: 'input_request',
      request_id: 'q',
      kind: 'limit',
      message: 'More?',
      schema: {},
      turn_id: 't1',
    };
    const asked = play([said('t1', 'one'), question]);
    expect(asked.view.inputs).toMatchObject([{ request_id: 'q', message: 'More?' }]);
    const answer = { type: 'input_resolved', request_id: 'q', action: 'accept', by: 'ann' };
    expect(play([answer], asked).view).toMatchObject({
      inputs: [],
      resolvedInputs: [{ action: 'accept', by: 'ann', request: { message: 'More?' } }],
    });
    expect(play([ended('t1')], asked).view.inputs).toEqual([]);
  });

  test('is bounded: the oldest messages leave it, with their calls', () => {
    const many = Array.from({ length: 5_000 }, (_, index) => ({
      ...said(`t${index}`, String(index)),
      message_id: `m${index}`,
    }));
    const full = play([
      answered('t', 'first'),
      { ...call('old'), turn_id: 't', message_id: 'answer-t' },
      ...many.slice(1),
    ]);
    expect(full.view.messages).toHaveLength(5_000);
    expect(full.view.toolCalls).toHaveProperty('old');
    const after = play([{ ...said('one-more', 'x'), message_id: 'one-more' }], full);
    expect(after.view.messages).toHaveLength(4_001);
    expect(after.view.messages.at(-1)?.content).toBe('x');
    expect(after.view.toolCalls).toEqual({});
  });
});
