import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readMessages } from '../../src/store/message-pages.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let harness: TurnHarness;

beforeAll(async () => {
  harness = await openTurnHarness();
}, 60_000);
afterAll(() => harness.close());

test('a worker removes events after the retention time that is set, and goes on with the session', async () => {
  // It removes nothing, and puts off nothing.
  const keeping = await harness.startWorker({ EVENT_RETENTION_MS: '0' });
  const sessionId = await harness.session();
  const first = await harness.say(sessionId, 'hello');
  await harness.event(sessionId, 'turn_end', ({ turn_id }) => turn_id === first);
  const before = await harness.events(sessionId);
  expect(before[0]?.seq).toBe(1);
  await keeping.close();

  await harness.startWorker({ EVENT_RETENTION_MS: '1' });
  await eventually('an empty list of events', async () => (await harness.events(sessionId)).length === 0);
  const page = await readMessages(harness.db, { sessionId, limit: 50, before: undefined });
  expect(page.messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
  expect(page.last_seq).toBe(before.at(-1)?.seq);
  await harness.say(sessionId, 'are you still there?');
  await eventually('a second answer', async () => {
    const { messages } = await readMessages(harness.db, { sessionId, limit: 50, before: undefined });
    return messages.filter(({ role }) => role === 'assistant').length === 2;
  });
}, 120_000);
