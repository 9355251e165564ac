import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { onlySteps } from '../../src/protocol/turn-limits.ts';
import type { Db } from '../../src/store/db.ts';
import { writeDrafts } from '../../src/store/drafts.ts';
import { readMessages } from '../../src/store/message-pages.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { createSession } from '../../src/store/sessions.ts';
import { openStep } from '../../src/store/steps.ts';
import { endRunningTurn } from '../../src/store/turns.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';

let db: Db;
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('test', { max: 2 });
  db = store.db;
});
afterAll(async () => {
  await store.close();
});

async function cancelAfter(attempts: number): Promise<string[]> {
  const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
  await acceptMessage(db, { sessionId, userId: 'alice', clientMessageId: 'one', content: 'go' });
  const runId = `run of ${sessionId}`;
  const input = {
    sessionId,
    runId,
    workflowId: 'w',
    step: 1,
    historyMessages: 50,
    limits: onlySteps(25),
    questionMs: 60_000,
  };
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const { opening, committed } = await openStep(db, input);
    await committed;
    if (opening.kind !== 'open') throw new Error(`The step is ${opening.kind}.`);
    const { messageId } = opening;
    if (attempt === 1) {
      await writeDrafts(db, [{ messageId, sessionId, attempt, content: 'said first', thought: '' }]);
    }
  }
  await endRunningTurn(db, { sessionId, runId, status: 'cancelled' });
  const { messages } = await readMessages(db, { sessionId, limit: 10 });
  return messages.map((message) => message.content);
}

test('what a cancelled turn had said stays', async () => {
  expect(await cancelAfter(1)).toEqual(['go', 'said first']);
});

test('what an attempt had said before the next one began does not come back with the cancellation', async () => {
  expect(await cancelAfter(2)).toEqual(['go']);
});
