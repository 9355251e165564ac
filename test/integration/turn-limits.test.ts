import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createSession } from '../../src/store/sessions.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { answerLimit, limitAsked, sayAs, writeLimits } from '../helpers/limits.ts';
import type { Reply } from '../helpers/scripted-model.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker({ ...writeLimits(at, {}), MAX_STEPS: '3' });
});
afterAll(() => at.close());

/** A model that calls a harmless tool in each of its first steps, and then says that it is done. */
const working =
  (steps: number) =>
  (request: { messages: { role: string }[] }): Reply =>
    request.messages.filter(({ role }) => role === 'tool').length < steps
      ? [{ toolCall: { name: 'test__slow', arguments: { seconds: 0 } } }]
      : ['done'];

let users = 0;
/** A session of a user who has used nothing yet. */
async function sessionOf(userId: string, approvalTimeoutMs?: number): Promise<string> {
  const config = approvalTimeoutMs === undefined ? {} : { approval_timeout_ms: approvalTimeoutMs };
  const participants = userId === 'alice' ? [] : [{ user_id: 'alice', role: 'approver' as const }];
  return (await createSession(at.db, { tenant: 't', userId, config, participants })).id;
}
const fresh = () => {
  users += 1;
  return `user-${users}`;
};

async function begin(limits: object, steps: number, options: { user?: string; timeoutMs?: number } = {}) {
  writeLimits(at, limits);
  at.model.script(working(steps));
  const user = options.user ?? fresh();
  const sessionId = await sessionOf(user, options.timeoutMs);
  const turnId = await sayAs(at, sessionId, user);
  return { sessionId, turnId };
}

const requestsFor = (sessionId: string) =>
  at.events(sessionId).then((events) => events.filter(({ type }) => type === 'stream_start').length);

// The scripted model tells as input tokens how many messages it got, and as output tokens how many pieces it said.
test.each([
  ['steps', { turn: { steps: 2 } }, /limit of 2 steps \(2 steps so far\)/, 2, 20],
  ['tokens', { turn: { steps: 9, tokens: 5 } }, /limit of 5 tokens \(\d+ tokens so far\)/, 5, 50],
  [
    'cost',
    {
      turn: { steps: 9, cost: 5 },
      prices: { test: { input_per_million: 1_000_000, output_per_million: 1_000_000 } },
    },
    /limit of 5 in cost/,
    5,
    50,
  ],
  [
    'steps of a day',
    { turn: { steps: 9 }, user_day: { steps: 2 } },
    /turns of user-\d+ have reached today's limit \(UTC\) of 2 steps/,
    2,
    20,
  ],
  [
    'tokens of a day',
    { turn: { steps: 9 }, user_day: { tokens: 5 } },
    /today's limit \(UTC\) of 5 tokens/,
    5,
    50,
  ],
])(
  'a turn at its limit of %s asks, waits, and goes on with as much more as is allowed',
  async (_, limits, message, usual, maximum) => {
    const { sessionId } = await begin(limits, 3);
    const asked = await limitAsked(at, sessionId);
    expect(asked).toMatchObject({
      kind: 'limit',
      message: expect.stringMatching(message),
      schema: { properties: { more: { default: usual, maximum } }, required: ['more'] },
    });
    const before = await requestsFor(sessionId);
    await answerLimit(at, asked, 'accept', maximum);
    expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
    const events = await at.events(sessionId);
    expect(events.filter(({ type }) => type === 'input_request')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'turn_started')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'tool_result')).toHaveLength(3);
    // Nothing was begun while people were asked.
    const asking = events.findIndex(({ type }) => type === 'input_request');
    const resolved = events.findIndex(({ type }) => type === 'input_resolved');
    expect(resolved).toBe(asking + 1);
    expect(await requestsFor(sessionId)).toBeGreaterThan(before);
  },
);

test('people let a turn go no further than anybody may, and there it ends without a question', async () => {
  const limits = { turn: { steps: 1 }, at_most: { turn: { steps: 3 } } };
  const { sessionId } = await begin(limits, 9);
  const asked = await limitAsked(at, sessionId);
  expect(asked).toMatchObject({ schema: { properties: { more: { default: 1, maximum: 2 } } } });
  await answerLimit(at, asked, 'accept', 2);
  const message = expect.stringMatching(/^A turn may have 3 steps, and nobody may let it go on.*at_most/);
  const error = { code: 'processing_error', message };
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'cancelled', error });
  expect(await requestsFor(sessionId)).toBe(3);
  const types = (await at.events(sessionId)).map(({ type }) => type);
  expect(types.filter((type) => type === 'input_request')).toHaveLength(1);
});

test('of a day, too: the turn that comes after it ends before its first step', async () => {
  const limits = { user_day: { tokens: 1 }, at_most: { user_day: { tokens: 1 } } };
  const user = fresh();
  const first = await begin(limits, 0, { user });
  expect(await at.event(first.sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  const { sessionId } = await begin(limits, 0, { user });
  const message = expect.stringMatching(/^The turns of user-\d+ may have 1 token on one day \(UTC\)/);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'cancelled', error: { message } });
  expect(await requestsFor(sessionId)).toBe(0);
});

test.each(['decline', 'cancel'] as const)(
  '%s ends the turn as cancelled, and says which limit and who',
  async (action) => {
    const { sessionId } = await begin({ turn: { steps: 1 } }, 3);
    await answerLimit(at, await limitAsked(at, sessionId), action);
    expect(await at.event(sessionId, 'turn_end')).toMatchObject({
      status: 'cancelled',
      error: {
        code: 'processing_error',
        message: 'The turn reached its limit of steps, and alice did not let it go on.',
      },
    });
    expect(await requestsFor(sessionId)).toBe(1);
  },
);

test('what nobody answers in time ends the turn as cancelled, and the next one runs', async () => {
  const { sessionId } = await begin({ user_day: { tokens: 2 } }, 1, { timeoutMs: 1_000 });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({
    status: 'cancelled',
    error: {
      message: "The turn reached the limit of its user's day of tokens, and nobody let it go on in time.",
    },
  });
  expect(await at.event(sessionId, 'input_resolved')).toMatchObject({ action: 'cancel', by: 'turngate' });
  writeLimits(at, {});
  const next = await sayAs(at, sessionId, `user-${users}`);
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === next)).toMatchObject({
    status: 'completed',
  });
});

test('where no file says it, MAX_STEPS is the limit', async () => {
  const { sessionId } = await begin({}, 5);
  const asked = await limitAsked(at, sessionId);
  expect(asked.message).toMatch(/limit of 3 steps/);
  await answerLimit(at, asked, 'accept', 1);
  const again = await limitAsked(at, sessionId, 1);
  expect(again.request_id).not.toBe(asked.request_id);
  expect(again.message).toMatch(/\(4 steps so far\)/);
  await answerLimit(at, again, 'accept', 30);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
});

test('two limits at once: one question after the other', async () => {
  const { sessionId } = await begin({ turn: { steps: 2, tokens: 5 }, user_day: { steps: 2 } }, 2);
  const messages: string[] = [];
  for (const n of [0, 1, 2]) {
    const asked = await limitAsked(at, sessionId, n);
    messages.push(asked.message);
    await answerLimit(at, asked, 'accept', 10);
  }
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(messages.map((text) => text.match(/limit(?: \(UTC\))? of ([^(]+) \(/)?.[1])).toEqual([
    '2 steps',
    '5 tokens',
    '2 steps',
  ]);
});

test('what a day allows counts for all of the user’s sessions, and for nobody else’s', async () => {
  const user = fresh();
  const limits = { user_day: { steps: 2 } };
  const first = await begin(limits, 1, { user });
  expect(await at.event(first.sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  const second = await begin(limits, 1, { user });
  const asked = await limitAsked(at, second.sessionId);
  // It is the first thing of this turn: claimed, so that it can be cancelled, but nothing of it has begun.
  expect((await at.events(second.sessionId)).map(({ type }) => type)).toEqual([
    'message_saved',
    'turn_started',
    'input_request',
  ]);
  const other = await begin(limits, 1);
  expect(await at.event(other.sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  await answerLimit(at, asked, 'accept', 4);
  expect(await at.event(second.sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  const third = await begin(limits, 1, { user });
  expect(await at.event(third.sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  const fourth = await begin(limits, 0, { user });
  expect((await limitAsked(at, fourth.sessionId)).message).toMatch(/\(6 steps so far\)/);
});

test('a turn that is cancelled while people are asked ends, and its question is withdrawn', async () => {
  const { sessionId, turnId } = await begin({ turn: { steps: 1 } }, 3);
  await limitAsked(at, sessionId);
  await requestCancel(at.db, { sessionId, turnId, userId: `user-${users}` });
  await at.turns.cancel(sessionId, turnId);
  const end = await at.event(sessionId, 'turn_end');
  expect(end.status).toBe('cancelled');
  expect(end.error).toBeUndefined();
  expect(await at.event(sessionId, 'input_resolved')).toMatchObject({ action: 'cancel', by: 'turngate' });
});

test('a turn that worked as long as it may asks, in minutes', async () => {
  writeLimits(at, { turn: { wall_time: '1s' } });
  at.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? ['done']
      : [{ toolCall: { name: 'test__slow', arguments: { seconds: 1 } } }],
  );
  const sessionId = await sessionOf('alice');
  await at.say(sessionId, 'go');
  const asked = await limitAsked(at, sessionId);
  expect(asked).toMatchObject({
    schema: { properties: { more: { default: 1, maximum: 10, type: 'integer' } } },
  });
  await answerLimit(at, asked, 'accept', 1);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
});

test('where costs are limited, a model without a price is not asked', async () => {
  const prices = { other: { input_per_million: 1, output_per_million: 1 } };
  const { sessionId } = await begin({ turn: { cost: 1 }, prices }, 0);
  const end = await at.event(sessionId, 'turn_end');
  expect(end).toMatchObject({ status: 'failed', error: { code: 'processing_error' } });
  expect(end.error?.message).toContain('the model "test" has no price');
  const priced = await begin({ turn: { cost: 1 }, prices: { '*': prices.other } }, 0);
  expect(await at.event(priced.sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
});
