import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readLiveState } from '../../src/store/live-state.ts';
import { answerLimit, limitAsked } from '../helpers/limits.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker({
    HISTORY_MESSAGES: '6',
    MAX_STEPS: '3',
    MODEL_MAX_ATTEMPTS: '3',
    MODEL_SILENCE_MS: '500',
  });
});
afterAll(() => at.close());

test('a wrong key fails the turn at once, with a clear error', async () => {
  at.model.script(() => ({ status: 401, message: 'no such key' }));
  const before = at.model.requests.length;
  const sessionId = await at.session();
  await at.say(sessionId, 'hi');
  const end = await at.event(sessionId, 'turn_end');
  expect(end).toMatchObject({ status: 'failed', error: { code: 'model_error' } });
  expect(end.error?.message).toMatch(/key/i);
  expect(at.model.requests.length - before).toBe(1);
});

test('a rate limit is waited out for as long as the server says', async () => {
  let first = 0;
  let second = 0;
  at.model.script(() => {
    if (first === 0) {
      first = Date.now();
      return { status: 429, headers: { 'retry-after': '2' } };
    }
    second = Date.now();
    return ['at last'];
  });
  const sessionId = await at.session();
  await at.say(sessionId, 'hi');
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(second - first).toBeGreaterThanOrEqual(2_000);
});

test('a dropped stream becomes a new attempt: what was shown is void, the text is the second one', async () => {
  let n = 0;
  at.model.script(() => {
    n += 1;
    return n === 1 ? ['doubtful ', 'words', { drop: true }] : ['good words'];
  });
  const sessionId = await at.session();
  await at.say(sessionId, 'hi');
  await at.event(sessionId, 'turn_end');
  const events = await at.events(sessionId);
  expect(events.map((event) => event.type)).toEqual([
    'message_saved',
    'turn_started',
    'stream_start',
    'stream_reset',
    'stream_end',
    'turn_end',
  ]);
  expect(events[3]).toMatchObject({ attempt: 2 });
  expect(events[4]).toMatchObject({ content: 'good words' });
});

test('a model that falls silent is given up after its attempts', async () => {
  at.model.script(() => ['one moment', { hang: true }]);
  const sessionId = await at.session();
  await at.say(sessionId, 'hi');
  const end = await at.event(sessionId, 'turn_end');
  expect(end).toMatchObject({ status: 'failed', error: { code: 'model_error' } });
  expect(end.error?.message).toMatch(/3 attempts/);
  const voided = (await at.events(sessionId)).findLast((event) => event.type === 'stream_reset');
  expect(voided && 'attempt' in voided ? voided.attempt : undefined).toBeUndefined();
  expect(await readLiveState(at.db, sessionId)).toMatchObject({ turn: null, stream: null });
});

test('a turn that only calls tools asks at its limit of steps', async () => {
  at.model.script(() => [{ toolCall: { name: 'test__slow', arguments: { seconds: 0 } } }]);
  const sessionId = await at.session();
  await at.say(sessionId, 'loop');
  const asked = await limitAsked(at, sessionId);
  expect(asked.message).toMatch(/limit of 3 steps/);
  await answerLimit(at, asked, 'decline');
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'cancelled' });
  expect((await at.events(sessionId)).filter((event) => event.type === 'stream_end')).toHaveLength(3);
});

test('reasoning and surrogate pairs arrive whole, hostile text is cleaned', async () => {
  at.model.script(() => [{ thought: 'let me ' }, { thought: 'think' }, 'smile \u{1F600}', ' nul \u0000 end']);
  const sessionId = await at.session();
  await at.say(sessionId, 'hi');
  expect(await at.event(sessionId, 'stream_end')).toMatchObject({
    content: 'smile \u{1F600} nul \uFFFD end',
    thought: 'let me think',
  });
});

test('the window is cut at turns, and every call the model sees is paired with a result', async () => {
  at.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? ['done']
      : [{ toolCall: { name: 'test__slow', arguments: { seconds: 0 } } }],
  );
  const sessionId = await at.session();
  for (let n = 1; n <= 3; n += 1) {
    const turnId = await at.say(sessionId, `turn ${n}`);
    await at.event(sessionId, 'turn_end', (event) => event.turn_id === turnId);
  }
  // Four messages a turn and six in all: with the third turn's own three, only whole turns before it fit.
  const roles = at.model.requests.at(-1)?.messages.map((message) => message.role);
  expect(roles).toEqual(['system', 'user', 'assistant', 'tool']);
  expect(at.model.refused).toEqual([]);
});

test('drafts are gone when their stream has ended', async () => {
  await eventually('no draft', async () => {
    const { rows } = await at.db.query('select count(*) as n from drafts');
    return rows[0].n === 0;
  });
});
