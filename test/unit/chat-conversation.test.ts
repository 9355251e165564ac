import { describe, expect, test } from '@jest/globals';
import { askedOf, waitingOf } from '../../src/cli/chat/asked.ts';
import { type ConversationInput, startConversation } from '../../src/cli/chat/conversation.ts';
import type { LogItem } from '../../src/cli/chat/log-item.ts';
import { agentText, connectionText } from '../../src/cli/chat/status-text.ts';
import { applyFrame, type Known, startKnown } from '../../src/client/apply.ts';
import { protocolRules } from '../../src/client/rules.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import {
  answered,
  asks,
  type Body,
  call,
  ended,
  play,
  resolved,
  result,
  said,
  started,
  status,
} from '../helpers/conversation.ts';

describe('what is printed', () => {
  test('a turn: question, reasoning and answer, and nothing twice', () => {
    const at = play([said('t1', 'Hi'), started('t1'), answered('t1', 'Hello.', 'A greeting.'), ended('t1')]);
    expect(at.log).toEqual([
      { kind: 'user', text: 'Hi' },
      { kind: 'assistant', text: 'Hello.', thought: 'A greeting.' },
    ]);
    expect(at.turns).toEqual([]);
  });

  test('a message that waits its turn is printed after the turn before it', () => {
    const open = [said('t1', 'one'), started('t1'), said('t2', 'two'), said('t3', 'three')];
    expect(play(open).log).toEqual([{ kind: 'user', text: 'one' }]);
    const at = play([...open, answered('t1', 'first'), ended('t1'), started('t2'), answered('t2', 'second')]);
    expect(at.log.map((item) => ('text' in item ? item.text : ''))).toEqual([
      'one',
      'first',
      'two',
      'second',
    ]);
    expect(at.turns.map((turn) => turn.turnId)).toEqual(['t2', 't3']);
  });

  test('a queued turn that is cancelled leaves the running one as it is', () => {
    const at = play([said('t1', 'one'), started('t1'), said('t2', 'two'), ended('t2', 'cancelled')]);
    expect(at.turns.map((turn) => turn.turnId)).toEqual(['t1']);
    expect(at.log).toContainEqual({ kind: 'turn_end', status: 'cancelled', text: '' });
  });

  test('a turn that starts while an earlier one seems open shows that the earlier one is over', () => {
    const at = play([said('t1', 'one'), said('t2', 'two'), started('t2'), answered('t2', 'second')]);
    expect(at.log.map((item) => ('text' in item ? item.text : ''))).toEqual(['one', 'two', 'second']);
  });

  test('a failed turn says why; a tool call says its arguments, gate, rule and reason, a result what came', () => {
    const failed = play([said('t1', 'Hi'), ended('t1', 'failed')]);
    expect(failed.log.at(-1)).toEqual({ kind: 'turn_end', status: 'failed', text: 'The key is wrong.' });
    const at = play([said('t1', 'Mail'), call('c1', 'allow'), result('c1', 'completed')]);
    expect(at.log.slice(1)).toEqual([
      {
        kind: 'tool_call',
        tool: 'office.send_mail',
        arguments: { to: 'c1' },
        gate: 'allow',
        rule: 'ask-by-default',
        reason: 'may change something',
      },
      {
        kind: 'tool_result',
        tool: 'office.send_mail',
        arguments: { to: 'c1' },
        status: 'completed',
        text: 'sent',
      },
    ]);
    expect(play([call('c1'), result('c1', 'failed')]).log.at(-1)).toMatchObject({ text: 'no such person' });
  });
});

describe('approvals', () => {
  const two = [said('t1', 'Mail'), started('t1'), call('c1'), call('c2'), asks('c1'), asks('c2')];

  test('what waits is asked oldest first; what was refused is told', () => {
    const { view } = two.reduce<Known>((known, body) => {
      const head = { seq: known.view.lastSeq + 1, session_id: 's', ts: known.view.lastSeq + 1 };
      return applyFrame(known, { ...body, ...head } as ServerFrame, protocolRules).known;
    }, startKnown('s'));
    const question = { request_id: 'q', kind: 'limit', message: 'More?', schema: {}, ts: 5.5 } as never;
    const waiting = waitingOf({ ...view, inputs: [question] });
    expect(askedOf(waiting).map(({ id }) => id)).toEqual(['c1', 'q', 'c2']);
    const queue = [{ id: 'd', status: 'sending', kind: 'answer', requestId: 'q' } as const];
    expect(waitingOf({ ...view, inputs: [question], queue }).questions).toEqual([]);
    const sent = [...two, { kind: 'sending', outgoing: { id: 'd', kind: 'decision' } } as const];
    const refused = play([...sent, { type: 'error', id: 'd', code: 'conflict', error: 'It differs.' }]);
    expect(refused.log.at(-1)).toEqual({ kind: 'notice', text: 'Your decision was not taken: It differs.' });
  });

  test('what was changed, remembered, asked again, voted on or came late is printed', () => {
    const edited = { to: 'ann' };
    const at = play([
      ...two,
      { type: 'tool_approval_vote', tool_call_id: 'c1', by: 'ann', at: 1, approvals: 1, needed: 2 },
      {
        type: 'tool_approval_reminder',
        tool_call_id: 'c1',
        number: 1,
        expires_at: 9,
        approvers: ['bob', 'eve'],
      },
      { ...(asks('c1') as Body), arguments: edited, round: 2, because: 'edited' } as Body,
      { ...(resolved('c1', 'approved') as Body), arguments: { to: 'eve' }, remember: 'session' } as Body,
      result('c1', 'completed'),
      {
        type: 'tool_late_result',
        tool_call_id: 'c1',
        attempt: 1,
        status: 'completed',
        result: 'sent',
        error: null,
      },
      { type: 'input_request', request_id: 'q', kind: 'limit', message: 'More?', schema: {} },
      { type: 'input_resolved', request_id: 'q', action: 'accept', by: 'ann', content: { more: 5 } },
    ]);
    const c1 = { tool: 'office.send_mail', number: 1 };
    expect(at.log.slice(3)).toEqual([
      { kind: 'vote', ...c1, arguments: { to: 'c1' }, by: 'ann', approvals: 1, needed: 2 },
      { kind: 'notice', text: '#1 office.send_mail still waits for a decision of bob, eve.' },
      { kind: 'asked_again', ...c1, arguments: edited, because: 'edited', reason: 'may change something' },
      {
        ...{ kind: 'decision', ...c1, arguments: edited, outcome: 'approved', by: 'ann' },
        ...{ edited: { to: 'eve' }, remember: 'session' },
      },
      { kind: 'tool_result', ...c1, arguments: { to: 'eve' }, status: 'completed', text: 'sent' },
      {
        kind: 'late_result',
        number: 1,
        tool: 'a tool',
        arguments: undefined,
        status: 'completed',
        text: 'sent',
      },
      { kind: 'question', message: 'More?' },
      { kind: 'answer', action: 'accept', by: 'ann', content: { more: 5 } },
    ]);
  });

  test('a decision is printed with its reason, in any order, and a rejection needs no result beside it', () => {
    const at = play([
      ...two,
      resolved('c2', 'rejected', 'not now'),
      result('c2', 'rejected'),
      resolved('c1', 'approved'),
    ]);
    expect(at.log.slice(-2)).toEqual([
      {
        kind: 'decision',
        tool: 'office.send_mail',
        number: 2,
        arguments: { to: 'c2' },
        outcome: 'rejected',
        by: 'ann',
        reason: 'not now',
      },
      {
        ...{ kind: 'decision', tool: 'office.send_mail', number: 1 },
        ...{ arguments: { to: 'c1' }, outcome: 'approved', by: 'ann' },
      },
    ]);
  });

  test('each call that is asked about has a number of its own, which is the same whatever is said of it', () => {
    const free = call('c0', 'allow');
    const again = { ...(asks('c0') as Body), round: 2, because: 'rule_changed' } as Body;
    const at = play([...two, result('c1', 'completed'), free, call('c3'), again, resolved('c2', 'approved')]);
    const numberOf = (item: LogItem) => ('number' in item ? item.number : null);
    expect(at.log.slice(1).map((item) => [item.kind, numberOf(item)])).toEqual([
      ['tool_call', 1],
      ['tool_call', 2],
      ['tool_result', 1],
      ['tool_call', null],
      ['tool_call', 3],
      ['asked_again', 4],
      ['decision', 2],
    ]);
    expect(Object.fromEntries(at.numbers)).toEqual({ c1: 1, c2: 2, c3: 3, c0: 4 });
  });

  test('what was changed before the last question is not told again with the decision', () => {
    const edited = { to: 'ann' };
    const at = play([
      ...two,
      { ...(asks('c1') as Body), arguments: edited, round: 2, because: 'edited' } as Body,
      {
        ...(resolved('c1', 'approved') as Body),
        arguments: edited,
        original_arguments: { to: 'c1' },
      } as Body,
    ]);
    expect(at.log.at(-1)).toMatchObject({ kind: 'decision', arguments: edited });
    expect(at.log.at(-1)).not.toHaveProperty('edited');
  });

  test('a decision that came too late says whose stands', () => {
    const at = play([
      ...two,
      { kind: 'sending', outgoing: { id: 'd', kind: 'decision' } },
      {
        type: 'ack',
        id: 'd',
        disposition: 'conflict',
        decision: { tool_call_id: 'c1', decision: 'rejected', by: 'ann', at: 1 },
      },
    ]);
    expect(at.outgoing).toEqual([]);
    expect(at.log.at(-1)).toMatchObject({
      text: expect.stringContaining('ann had decided already (rejected)'),
    });
  });

  test('an answer that came too late says whose stands', () => {
    const input = { request_id: 'q', action: 'decline', by: 'ann', at: 1 } as const;
    const at = play([
      { kind: 'sending', outgoing: { id: 'a', kind: 'answer' } },
      { type: 'ack', id: 'a', disposition: 'conflict', input },
    ]);
    expect(at.outgoing).toEqual([]);
    expect(at.log).toMatchObject([{ text: expect.stringContaining('ann had answered already (decline)') }]);
  });
});

describe('what was sent', () => {
  const sending: ConversationInput = { kind: 'sending', outgoing: { id: 'x', kind: 'message', text: 'Hi' } };

  test('a message is shown as being sent until it is saved, not only acknowledged', () => {
    const acked = play([sending, { type: 'ack', id: 'x', disposition: 'started' }]);
    expect(acked.outgoing).toHaveLength(1);
    expect(play([sending, said('t1', 'Hi', 'x')]).outgoing).toEqual([]);
  });

  test('a refusal is told with its reason', () => {
    const at = play([sending, { type: 'error', id: 'x', code: 'busy', error: 'Too many wait.' }]);
    expect(at.outgoing).toEqual([]);
    expect(at.log).toEqual([{ kind: 'notice', text: 'Your message was not taken: Too many wait.' }]);
  });
});

describe('what the agent does', () => {
  test('is counted from when it began, however often it is said', () => {
    const at = play([
      said('t1', 'Hi'),
      status('thinking', 0),
      status('thinking', 2_000),
      status('thinking', 4_000),
    ]);
    expect(at.agent).toMatchObject({ status: 'thinking', since: 2_000 });
    expect(agentText(at, 9_500)).toBe('thinking · 7 s');
  });

  test('what began before this connection is counted by the server’s account', () => {
    const at = play([said('t1', 'Hi'), started('t1'), status('thinking', 2_500)]);
    expect(at.agent?.since).toBe(500);
  });

  test('waiting is counted from the question, and the tool that runs is named with its progress', () => {
    const call1 = { id: 'c1', approval: { askedAt: 3_000 } } as never;
    const waiting = play([
      said('t1', 'Hi'),
      { kind: 'waiting', waiting: { approvals: [call1], questions: [] } },
      call('c2'),
      status('waiting_approval', 4_000),
    ]);
    expect(agentText(waiting, 3_000 + 3_723_000)).toBe('waiting for your approval · 1 h 2 min');
    const running = play([
      call('c1', 'allow'),
      { type: 'agent_status', status: 'running_tool', details: { tool_call_id: 'c1', elapsed_ms: 0 } },
      { type: 'tool_progress', tool_call_id: 'c1', progress: 2, total: 5 },
    ]);
    expect(agentText(running, 63_000)).toBe('running office.send_mail (2 of 5) · 1 min 1 s');
  });

  test('the end of the last turn is the end of the work; a turn that nobody runs yet says so', () => {
    expect(agentText(play([said('t1', 'Hi'), status('thinking'), ended('t1')]), 0)).toBe('ready');
    expect(agentText(play([said('t1', 'Hi'), status('idle')]), 0)).toBe('waiting for a worker');
    expect(agentText(startConversation('s', []), 0)).toBeNull();
  });

  test('the connection is told in words', () => {
    const at = startConversation('s', []);
    const waiting = {
      ...at,
      connection: { kind: 'waiting', why: 'the gateway restarts', until: 1_500 } as const,
    };
    expect(connectionText(waiting, 0)).toBe('reconnecting in 2 s: the gateway restarts');
    expect(
      connectionText({ ...at, connection: { kind: 'stopped', why: 'Gone.', code: 'not_found' } }, 0),
    ).toBe('not connected: Gone. /new opens another.');
  });
});
