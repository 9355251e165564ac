import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents } from '../../src/store/events.ts';
import { type Passage, passLimits } from '../../src/store/limits.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { createSession } from '../../src/store/sessions.ts';
import { recordCall } from '../../src/store/usage.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { StreamingStep } from '../helpers/streaming.ts';

/* What people allowed on one day, asked about on the next: on the real store, whose yesterday is written by hand. */
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore('limit-days');
});
afterAll(() => store.close());

const limits = { turn: { steps: 25 }, userDay: { tool_calls: 2 }, prices: new Map() };

async function pass(step: StreamingStep): Promise<Passage> {
  const { sessionId, turnId } = step;
  return transaction(store.db, async (tx) => {
    await lockSession(tx, sessionId);
    const { rows } = await tx.query('select limit_key from turns where id = $1', [turnId]);
    const at = {
      sessionId,
      turnId,
      limits,
      userId: 'alice',
      questionMs: 60_000,
      limitKey: rows[0].limit_key,
    };
    const passage = await passLimits(tx, at, ['tool_calls']);
    if (passage.kind === 'asked') await appendEvents(tx, sessionId, passage.events);
    return passage;
  });
}

/** It is allowed that many more. */
async function allow({ sessionId }: StreamingStep, passage: Passage, more: number): Promise<void> {
  if (passage.kind !== 'asked') throw new Error(`Nobody is asked: ${passage.kind}.`);
  const { requestId } = passage.question;
  const answer = { sessionId, requestId, userId: 'alice', via: 'http', content: { more } };
  await answerQuestion(store.db, { ...answer, action: 'accept' });
}

/** A turn whose user has made more calls today than they may, at the question about it. */
async function atTheLimit(): Promise<{ step: StreamingStep; asked: Passage; day: string }> {
  const { id } = await createSession(store.db, { tenant: 't', userId: 'alice' });
  await store.db.query('delete from usage');
  await store.db.query('delete from limit_grants');
  const step = new StreamingStep(store.db, { publish: () => undefined }, id);
  await step.ask('go');
  await step.open();
  for (const ordinal of [1, 2, 3, 4, 5]) {
    await transaction(store.db, (tx) => recordCall(tx, { turn_id: step.turnId, step: 1, ordinal }));
  }
  const { rows } = await store.db.query(`select (now() at time zone 'utc')::date::text as day`);
  return { step, asked: await pass(step), day: rows[0].day };
}

const dayBefore = (day: string) =>
  new Date(Date.parse(day) - 24 * 60 * 60 * 1_000).toISOString().slice(0, 10);

test('what was allowed today counts today', async () => {
  const { step, asked, day } = await atTheLimit();
  await allow(step, asked, 3);
  expect(await pass(step)).toMatchObject({ kind: 'free' });
  expect(await pass(step)).toMatchObject({ kind: 'free' });
  // From what was used when it was allowed.
  const { rows } = await store.db.query('select day::text, more::int from limit_grants');
  expect(rows).toEqual([{ day, more: 6 }]);
});

test('what is allowed for a day that is over lets nothing of today through: that is asked about anew', async () => {
  const { step, asked, day } = await atTheLimit();
  // It was asked yesterday, and is answered today.
  const key = `limit:user_day:tool_calls:${dayBefore(day)}:0`;
  await store.db.query('update turns set limit_key = $2 where id = $1', [step.turnId, key]);
  await store.db.query('update input_requests set key = $2 where turn_id = $1', [step.turnId, key]);
  await allow(step, asked, 20);
  const again = await pass(step);
  expect(again).toMatchObject({ kind: 'asked', question: { kind: 'limit' } });
  const { rows } = await store.db.query('select day::text, more::int from limit_grants');
  // It counts from nothing: what was used today is not yesterday's.
  expect(rows).toEqual([{ day: dayBefore(day), more: 20 }]);
  expect(await pass(step)).toEqual({ ...again, events: [] });
  // Nor does it count once nothing is asked.
  await store.db.query('update turns set limit_key = null where id = $1', [step.turnId]);
  expect(await pass(step)).toMatchObject({ kind: 'asked' });
});
