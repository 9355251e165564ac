import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { requestCancel } from '../../src/store/turns.ts';
import { writeLimits } from '../helpers/limits.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/* More calls at once than anybody may let a turn make: those that began are carried through. */
let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  Object.assign(at.env, writeLimits(at, { turn: { tool_calls: 2 }, at_most: { turn: { tool_calls: 2 } } }));
  await at.startWorker();
});
afterAll(() => at.close());

async function begin(seconds: number): Promise<string> {
  const toolCall = { name: 'test__slow', arguments: { seconds } };
  at.model.script(() => [{ toolCall }, { toolCall }, { toolCall }]);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  return sessionId;
}

async function resultsOf(sessionId: string): Promise<string[]> {
  const events = await at.events(sessionId);
  return events.flatMap((event) => (event.type === 'tool_result' ? [event.status] : [])).toSorted();
}

test('a turn that may make no more calls ends when those that began have their results', async () => {
  const sessionId = await begin(2);
  const message = expect.stringMatching(/^A turn may have 2 tool calls, and nobody may let it go on/);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'cancelled', error: { message } });
  expect(await resultsOf(sessionId)).toEqual(['cancelled', 'completed', 'completed']);
});

test('it is cancelled meanwhile as ever', async () => {
  const sessionId = await begin(60);
  await eventually('two calls that run', async () => {
    const events = await at.events(sessionId);
    return events.filter(({ type }) => type === 'tool_started').length === 2;
  });
  await requestCancel(at.db, { sessionId, userId: 'alice' });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'cancelled' });
  expect(await resultsOf(sessionId)).toHaveLength(3);
});
