import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Db, lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents, readEvents } from '../../src/store/events.ts';
import { createSession } from '../../src/store/sessions.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';

let store: TestStore;
let db: Db;

beforeAll(async () => {
  store = await openTestStore('test-events');
  db = store.db;
});
afterAll(async () => {
  await store.close();
});

describe('a page of events', () => {
  test('is bounded by its characters, holds at least one event, and misses none', async () => {
    const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
    const sizes = [10, 900_000, 900_000, 3_000_000, 10, 10, 400_000, 400_000, 400_000];
    for (const [n, size] of sizes.entries()) {
      await transaction(db, async (tx) => {
        await lockSession(tx, sessionId);
        return appendEvents(tx, sessionId, [
          {
            key: `e${n}`,
            type: 'external_event',
            body: { event_id: `e${n}`, event_type: 'test', event_data: 'x'.repeat(size) },
          },
        ]);
      });
    }
    const pages: number[][] = [];
    for (let after = 0; ; ) {
      const page = await readEvents(db, { sessionId, after, limit: 200 });
      if (page.length === 0) break;
      pages.push(page.map(({ frame }) => frame.seq));
      after = page.at(-1)?.frame.seq ?? 0;
    }
    expect(pages.flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(pages[0]).toEqual([1, 2, 3]);
    expect(pages[1]).toEqual([4]);
    const charsOf = (page: number[]) => page.reduce((sum, seq) => sum + (sizes[seq - 1] ?? 0), 0);
    for (const page of pages) expect(charsOf(page.slice(0, -1))).toBeLessThan(1024 * 1024);
  });
});
