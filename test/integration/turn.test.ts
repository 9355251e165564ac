import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker();
});
afterAll(() => at.close());

describe('a turn', () => {
  test('a message becomes one run with an exact stream and an end', async () => {
    at.model.script(() => ['Hel', 'lo ', 'you.']);
    const sessionId = await at.session();
    const turnId = await at.say(sessionId, 'Hi');
    const end = await at.event(sessionId, 'turn_end');
    expect(end).toMatchObject({ turn_id: turnId, status: 'completed' });
    const events = await at.events(sessionId);
    expect(events.map((event) => event.type)).toEqual([
      'message_saved',
      'turn_started',
      'stream_start',
      'stream_end',
      'turn_end',
    ]);
    expect(events.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5]);
    expect(events[3]).toMatchObject({ content: 'Hello you.', finish_reason: 'stop' });
    await eventually('the one run', async () => (await at.runs(sessionId)) === 1);
  });

  test('a gated tool waits, runs once when approved, and its result reaches the model', async () => {
    at.model.script((request) =>
      request.messages.at(-1)?.role === 'tool'
        ? ['It is done.']
        : [{ toolCall: { name: 'test__effect', arguments: { text: 'one' } } }],
    );
    const sessionId = await at.session();
    await at.say(sessionId, 'Do it');
    const asked = await at.event(sessionId, 'tool_approval_request');
    expect(asked).toMatchObject({ tool: 'test.effect', arguments: { text: 'one' }, needed: 1 });
    expect(at.effects().filter((effect) => effect.tool_call_id === asked.tool_call_id)).toEqual([]);
    await at.decide(sessionId, asked.tool_call_id, true);
    await at.event(sessionId, 'turn_end');
    const events = await at.events(sessionId);
    expect(events.map((event) => event.type)).toEqual([
      'message_saved',
      'turn_started',
      'stream_start',
      'stream_end',
      'tool_call',
      'tool_approval_request',
      'tool_approval_resolved',
      'tool_started',
      'tool_result',
      'stream_start',
      'stream_end',
      'turn_end',
    ]);
    expect(at.effects().filter((effect) => effect.tool_call_id === asked.tool_call_id)).toHaveLength(1);
    expect(events.at(-2)).toMatchObject({ content: 'It is done.' });
  });
});
