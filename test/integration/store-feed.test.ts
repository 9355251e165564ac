import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type FeedFrame, feedFrame } from '../../src/protocol/feed-frames.ts';
import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import { type Db, lockSession, openPool, transaction } from '../../src/store/db.ts';
import { appendEvents, type NewEvent } from '../../src/store/events.ts';
import { type FeedNews, onFeedNews } from '../../src/store/feed-news.ts';
import { removeOldFeedItems } from '../../src/store/feed-retention.ts';
import { feedLastSeqs, readFeed, readFeedPage } from '../../src/store/feeds.ts';
import { createSession } from '../../src/store/sessions.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { seededRandom } from '../helpers/random.ts';

const tenant = 't';
let database: TestDatabase;
let db: Db;
let news: FeedNews[];

beforeAll(async () => {
  database = await createTestDatabase();
  db = openPool({
    connectionString: database.url,
    max: 16,
    applicationName: 'test',
    onError: () => undefined,
  });
  onFeedNews(db, (item) => void news.push(item));
});
beforeEach(() => {
  news = [];
});
afterAll(async () => {
  await db.end();
  await database.drop();
});

const feed = (userId: string, after = 0): Promise<FeedFrame[]> =>
  readFeed(db, { tenant, userId, after, limit: 1_000 });

async function session(people: Record<string, ParticipantRole>): Promise<string> {
  const [owner = ''] = Object.entries(people).find(([, role]) => role === 'owner') ?? [];
  const { id } = await createSession(db, { tenant, userId: owner, title: 'plans' });
  await seatParticipants(db, id, people);
  return id;
}

function request(): NewEvent {
  const id = randomUUID();
  return {
    key: `approval_request:${id}`,
    type: 'tool_approval_request',
    turnId: 'turn',
    body: {
      tool_call_id: id,
      tool: 'office.send_mail',
      arguments: { to: 'bob' },
      arguments_hash: 'hash',
      reason: 'it may change something',
      expires_at: 1,
      approvers: ['a'],
      needed: 1,
    },
  };
}

function saved(): NewEvent {
  const id = randomUUID();
  const body = { message_id: id, role: 'user' as const, content: 'hello', attachments: [] };
  return { key: `message_saved:${id}`, type: 'message_saved', turnId: 'turn', body };
}

/** Chances and whole numbers below `n`. */
function dice(seed: number) {
  const next = seededRandom(seed);
  return { next, int: (n: number) => Math.floor(next() * n) };
}

async function write(sessionId: string, ...groups: NewEvent[][]): Promise<void> {
  await transaction(db, async (tx) => {
    await lockSession(tx, sessionId);
    for (const events of groups) await appendEvents(tx, sessionId, events);
  });
}

test('approvals go to those who may answer, and changes to everybody; nothing else goes anywhere', async () => {
  const people = { olga: 'owner', max: 'member', ada: 'approver', vic: 'viewer' } as const;
  const sessionId = await session(people);
  const renamed: NewEvent = {
    key: 'renamed',
    type: 'session_updated',
    turnId: 'turn',
    body: { title: 'other plans' },
  };
  news = [];
  await write(sessionId, [saved(), request()], [renamed, saved()]);
  const frames = await feed('olga');
  expect(frames).toMatchObject([
    { seq: 1, session_seq: 0, type: 'session_updated', title: 'plans', state: 'active' },
    {
      seq: 2,
      session_seq: 2,
      type: 'tool_approval_request',
      session_id: sessionId,
      tool: 'office.send_mail',
    },
    { seq: 3, session_seq: 3, type: 'session_updated', title: 'other plans' },
  ]);
  for (const frame of frames) expect(feedFrame.parse(frame)).toEqual(frame);
  for (const user of ['max', 'ada']) {
    expect((await feed(user)).map(({ seq, session_seq }) => [seq, session_seq])).toEqual([
      [1, 2],
      [2, 3],
    ]);
  }
  expect(await feed('vic')).toMatchObject([{ seq: 1, session_seq: 3, title: 'other plans' }]);
  expect(await feed('mallory')).toEqual([]);
  expect(await readFeed(db, { tenant: 'other', userId: 'olga', after: 0, limit: 10 })).toEqual([]);
  expect(new Map(news.map(({ feedId, lastSeq }) => [feedId, lastSeq]))).toEqual(
    await feedLastSeqs(db, ['feed:t:olga', 'feed:t:max', 'feed:t:ada', 'feed:t:vic']),
  );
});

test('questions go to those who may answer them', async () => {
  const sessionId = await session({ quin: 'owner', quest: 'approver', quiet: 'viewer' });
  const id = { request_id: randomUUID() };
  await write(sessionId, [
    {
      key: 'asked',
      type: 'input_request',
      body: { ...id, kind: 'elicitation', message: 'Which one?', schema: {} },
    },
    { key: 'answered', type: 'input_resolved', body: { ...id, action: 'accept', by: 'quest' } },
  ]);
  const frames = await feed('quest');
  expect(frames).toMatchObject([
    { seq: 1, session_seq: 1, type: 'input_request', message: 'Which one?', ...id },
    { seq: 2, session_seq: 2, type: 'input_resolved', by: 'quest', ...id },
  ]);
  for (const frame of frames) expect(feedFrame.parse(frame)).toEqual(frame);
  expect((await feed('quin')).length).toBe(3);
  expect(await feed('quiet')).toEqual([]);
});

test('who takes no part any more learns that, and nothing of what was said to them before', async () => {
  const sessionId = await session({ olga2: 'owner', max2: 'member' });
  await write(sessionId, [request()]);
  expect(await feed('max2')).toMatchObject([{ seq: 1, type: 'tool_approval_request' }]);
  await db.query('delete from participants where session_id = $1 and user_id = $2', [sessionId, 'max2']);
  const [gone] = await feed('max2');
  expect(gone).toEqual({
    type: 'session_updated',
    seq: 1,
    session_id: sessionId,
    session_seq: 1,
    ts: expect.any(Number),
    removed: true,
  });
  await db.query('delete from sessions where id = $1', [sessionId]);
  expect(await feed('olga2')).toMatchObject([
    { seq: 1, removed: true },
    { seq: 2, removed: true },
  ]);
});

test('what is rolled back is in no feed and no news', async () => {
  const sessionId = await session({ olga3: 'owner' });
  news = [];
  const failed = transaction(db, async (tx) => {
    await lockSession(tx, sessionId);
    await appendEvents(tx, sessionId, [request()]);
    throw new Error('on purpose');
  });
  await expect(failed).rejects.toThrow('on purpose');
  await write(sessionId, [saved()]);
  expect(news).toEqual([]);
  expect((await feed('olga3')).length).toBe(1);
});

test('old items go from the beginning of a feed, also where times and numbers disagree', async () => {
  const sessionId = await session({ hilda: 'owner', hugo: 'member' });
  for (let at = 0; at < 6; at += 1) await write(sessionId, [request()]);
  // hilda has 1 to 7; of hers 1, 2 and 4 are old, of hugo's all.
  const age = (user: string, seqs: number[]) =>
    db.query(`update feed_items set ts = now() - interval '2 days' where user_id = $1 and seq = any($2)`, [
      user,
      seqs,
    ]);
  await age('hilda', [1, 2, 4]);
  await age('hugo', [1, 2, 3, 4, 5, 6]);
  const dayMs = 24 * 3_600_000;
  expect(await removeOldFeedItems(db, dayMs)).toBe(false);
  expect((await feed('hilda')).map(({ seq }) => seq)).toEqual([3, 4, 5, 6, 7]);
  expect(await feed('hugo')).toEqual([]);
  expect(await readFeedPage(db, { tenant, userId: 'hugo', after: 2, limit: 10 })).toEqual({
    items: [],
    last_seq: 6,
    next: null,
    resync: { reason: 'retention', last_seq: 6 },
  });
  await write(sessionId, [request()]);
  expect((await feed('hugo')).map(({ seq }) => seq)).toEqual([7]);
  expect(await removeOldFeedItems(db, dayMs)).toBe(false);
  expect((await feed('hilda')).length).toBe(6);
});

test('events that no feed tells touch no feed', async () => {
  const sessionId = await session({ pat: 'owner' });
  await transaction(db, async (tx) => {
    const touched = async () => {
      const { rows } = await tx.query<{ name: string }>(
        `select relation::regclass::text as name from pg_locks
         where pid = pg_backend_pid() and relation in ('feeds'::regclass, 'feed_items'::regclass)`,
      );
      return rows.length > 0;
    };
    await lockSession(tx, sessionId);
    await appendEvents(tx, sessionId, [saved(), saved()]);
    expect(await touched()).toBe(false);
    await appendEvents(tx, sessionId, [request()]);
    expect(await touched()).toBe(true);
  });
});

test('many sessions that share people write at once: no deadlock, no gap, no reader passes over anything', async () => {
  const seed = 20261121;
  const random = dice(seed);
  const users = Array.from({ length: 6 }, (_, at) => `user-${at}`);
  const roles = ['member', 'approver', 'viewer'] as const;
  const sessions: string[] = [];
  for (let at = 0; at < 12; at += 1) {
    const people: Record<string, ParticipantRole> = {};
    for (const user of users) if (random.next() < 0.7) people[user] = roles[random.int(3)] ?? 'member';
    people[users[at % users.length] ?? ''] = 'owner';
    sessions.push(await session(people));
  }
  let isWriting = true;
  const read = async (user: string) => {
    const seen: FeedFrame[] = [];
    for (let isLast = false; !isLast; ) {
      // Asked before the read: what is written after it is in the next one.
      isLast = !isWriting;
      for (const frame of await feed(user, seen.at(-1)?.seq ?? 0)) {
        expect(frame.seq).toBe((seen.at(-1)?.seq ?? 0) + 1);
        seen.push(frame);
      }
    }
    return seen;
  };
  const readers = users.slice(0, 2).map(read);
  const writers = Array.from({ length: 10 }, async (_, writer) => {
    const own = dice(seed + writer + 1);
    for (let at = 0; at < 30; at += 1) {
      const groups = Array.from({ length: 1 + own.int(3) }, () =>
        Array.from({ length: own.int(3) }, () => (own.next() < 0.5 ? request() : saved())),
      );
      await write(sessions[own.int(sessions.length)] ?? '', ...groups);
    }
  });
  await Promise.all(writers);
  isWriting = false;
  const seen = await Promise.all(readers);
  for (const user of users) {
    const frames = await feed(user);
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, at) => at + 1));
    expect((await feedLastSeqs(db, [`feed:t:${user}`])).get(`feed:t:${user}`)).toBe(frames.length);
    const { rows } = await db.query<{ asked: number }>(
      `select count(*) as asked from events e join participants p using (session_id)
       where e.type = 'tool_approval_request' and p.user_id = $1 and p.role <> 'viewer'`,
      [user],
    );
    expect(frames.filter(({ type }) => type === 'tool_approval_request').length).toBe(rows[0]?.asked);
    const index = users.indexOf(user);
    if (index < 2) expect(seen[index]).toEqual(frames);
  }
});
