import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Db } from '../../src/store/db.ts';
import { readEvents } from '../../src/store/events.ts';
import { readMessages } from '../../src/store/message-pages.ts';
import { removeOldEvents } from '../../src/store/retention.ts';
import { createSession } from '../../src/store/sessions.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { StreamingStep } from '../helpers/streaming.ts';

const dayMs = 24 * 3_600_000;
let store: TestStore;
let db: Db;

beforeAll(async () => {
  store = await openTestStore('test-retention');
  db = store.db;
});
afterAll(async () => {
  await store.close();
});

const lost = { publish: () => undefined };

async function turn(sessionId: string, options: { isOpen?: boolean } = {}): Promise<void> {
  const step = new StreamingStep(db, lost, sessionId);
  await step.ask('go');
  await step.open();
  step.say('done');
  if (!options.isOpen) await step.close();
}

/** Everything of the session so far happened `days` earlier. */
async function age(sessionId: string, days: number): Promise<void> {
  const earlier = `- ${days} * interval '1 day'`;
  await db.query(`update events set ts = ts ${earlier} where session_id = '${sessionId}'`);
  await db.query(`update turns set ended_at = ended_at ${earlier} where session_id = '${sessionId}'`);
}

async function seqs(sessionId: string): Promise<number[]> {
  return (await readEvents(db, { sessionId, after: 0, limit: 10_000 })).map(({ frame }) => frame.seq);
}

async function state(sessionId: string): Promise<{ first_seq: number; last_seq: number; due_in_ms: number }> {
  const { rows } = await db.query(
    `select first_seq, last_seq, extract(epoch from retention_at - now())::float8 * 1000 as due_in_ms
     from sessions where id = $1`,
    [sessionId],
  );
  return rows[0];
}

const makeDue = () => db.query('update sessions set retention_at = now()');
const removeAll = async () => {
  await makeDue();
  while (await removeOldEvents(db, 30 * dayMs));
};

describe('retention', () => {
  test('removes old events of ended turns, from the beginning, and the conversation stays', async () => {
    const { id } = await createSession(db, { tenant: 't', userId: 'alice' });
    await turn(id);
    await age(id, 31);
    const before = (await seqs(id)).length;
    await turn(id);
    await removeAll();
    const kept = await seqs(id);
    expect(kept[0]).toBe(before + 1);
    expect(await state(id)).toMatchObject({ first_seq: before + 1, last_seq: kept.at(-1) });
    // Looked at again when the first that stays is old enough, and at least once a day.
    expect((await state(id)).due_in_ms / dayMs).toBeCloseTo(1, 1);
    const page = await readMessages(db, { sessionId: id, limit: 50, before: undefined });
    expect(page.messages.length).toBe(4);
    await removeAll();
    expect(await seqs(id)).toEqual(kept);
  });

  test('keeps what a turn that goes on has said, however old, and all that follows it', async () => {
    const { id } = await createSession(db, { tenant: 't', userId: 'alice' });
    await turn(id);
    const ended = (await seqs(id)).length;
    await turn(id, { isOpen: true });
    await age(id, 100);
    await removeAll();
    expect((await seqs(id))[0]).toBe(ended + 1);
    expect((await state(id)).due_in_ms).toBeLessThanOrEqual(3_600_000);
  });

  test('can remove everything; a session goes on counting where it was', async () => {
    const { id } = await createSession(db, { tenant: 't', userId: 'alice' });
    await turn(id);
    await age(id, 31);
    const { last_seq } = await state(id);
    await removeAll();
    expect(await seqs(id)).toEqual([]);
    expect(await state(id)).toMatchObject({ first_seq: last_seq + 1, last_seq });
    await turn(id);
    expect((await seqs(id))[0]).toBe(last_seq + 1);
  });

  test('works in batches, and several at once do not get in each other’s way', async () => {
    const { id } = await createSession(db, { tenant: 't', userId: 'alice' });
    await db.query(
      `insert into events (session_id, seq, event_key, type, body, ts)
       select $1, n, n::text, 'session_updated', '{}', now() - interval '40 days' from generate_series(1, 2345) n`,
      [id],
    );
    await db.query('update sessions set last_seq = 2345 where id = $1', [id]);
    await makeDue();
    const rounds = async () => {
      let count = 1;
      while (await removeOldEvents(db, 30 * dayMs)) count += 1;
      return count;
    };
    const counts = await Promise.all([rounds(), rounds(), rounds()]);
    expect(Math.max(...counts)).toBeGreaterThan(1);
    await rounds();
    expect(await seqs(id)).toEqual([]);
    expect(await state(id)).toMatchObject({ first_seq: 2346, last_seq: 2345 });
  });
});
