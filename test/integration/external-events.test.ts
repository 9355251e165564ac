import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { externalEventAnswer } from '../../src/protocol/external-events.ts';
import { limits } from '../../src/protocol/limits.ts';
import { transaction } from '../../src/store/db.ts';
import { writeExternalEvent } from '../../src/store/external-events.ts';
import { createSession } from '../../src/store/sessions.ts';
import { type GatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { askJson, type JsonReply, problemIn } from '../helpers/http.ts';
import type { SessionClient } from '../helpers/session-client.ts';

let east: GatewayHarness;
let west: GatewayHarness;
let service: string;

beforeAll(async () => {
  [east, west] = await openGatewayPair();
  service = await signToken({ sub: 'crm', roles: ['service'] });
});
afterAll(() => east.close());

const send = (user: string, body: unknown, token = service, at = east) =>
  askJson(`${at.http}/v1/users/${encodeURIComponent(user)}/events`, { token, body });

async function connect(at: GatewayHarness, sessionId: string, user: string): Promise<SessionClient> {
  return at.connect(sessionId, { token: await signToken({ sub: user }) });
}

/** What has come before the client's next message has come. */
async function afterMessage(client: SessionClient): Promise<void> {
  const id = randomUUID();
  client.send({ type: 'message', id, content: 'hello' });
  await client.frame('message_saved', (saved) => saved.client_message_id === id);
}

test('an event reaches all sessions of the user, on every gateway, once per connection, and nobody else [http-external-events] [event-external_event]', async () => {
  const user = 'uma|x:1';
  const [one, two] = [await east.session(user), await east.session(user)];
  await east.join(one, 'bob', 'member');
  const others = await east.session('bob');
  const clients = [
    await connect(east, one, user),
    await connect(west, one, user),
    await connect(west, two, user),
  ];
  const bob = [await connect(west, one, 'bob'), await connect(east, others, 'bob')];
  const body = { id: 'e1', event_type: 'order_shipped', event_data: { order: 7 } };
  const answer = await send(user, body);
  expect(answer.status).toBe(202);
  expect(externalEventAnswer.parse(answer.body)).toEqual({ event_id: 'e1', sessions: 2, skipped: false });
  expect((await send(user, body, service, west)).body).toEqual(answer.body);
  for (const client of clients) {
    const told = await client.frame('external_event');
    expect(told).toMatchObject({ event_id: 'e1', event_type: 'order_shipped', event_data: { order: 7 } });
    await afterMessage(client);
    expect(client.of('external_event').length).toBe(1);
    expect(client.breaches).toEqual([]);
  }
  for (const client of bob) {
    await afterMessage(client);
    expect(client.of('external_event')).toEqual([]);
    expect(client.breaches).toEqual([]);
  }
  // Whoever was away finds it where it was.
  const later = await connect(east, two, user);
  expect(await later.frame('external_event')).toMatchObject({ event_id: 'e1' });
});

test('closed sessions and those of other tenants get nothing', async () => {
  const [open, closed] = [await east.session('cleo'), await east.session('cleo')];
  const foreign = await east.session('cleo', 'other');
  await east.db.query(`update sessions set state = 'closed' where id = $1`, [closed]);
  expect((await send('cleo', { event_type: 'x', event_data: null })).body).toMatchObject({ sessions: 1 });
  const { rows } = await east.db.query<{ session_id: string }>(
    `select session_id from events where type = 'external_event' and session_id = any($1)`,
    [[open, closed, foreign]],
  );
  expect(rows).toEqual([{ session_id: open }]);
  expect((await send('nobody', { event_type: 'x', event_data: 1 })).body).toMatchObject({ sessions: 0 });
});

test('who repeats an event after a crash in the middle completes it, and another one under its id is refused', async () => {
  const user = 'mia';
  for (let at = 0; at < 120; at += 1) await createSession(east.db, { tenant: 't', userId: user });
  const event = { tenant: 't', userId: user, eventId: 'e9', eventType: 'x', eventData: { n: 1 } };
  let chunks = 0;
  const dies = writeExternalEvent(east.db, event, () => {
    chunks += 1;
    throw new Error('the process dies here');
  });
  await expect(dies).rejects.toThrow('dies here');
  const count = async () => {
    const { rows } = await east.db.query<{ all: number; sessions: number }>(
      `select count(*) as all, count(distinct session_id) as sessions from events where event_key = 'external:mia:e9'`,
    );
    return rows[0];
  };
  expect(await count()).toEqual({ all: 50, sessions: 50 });
  const body = { id: 'e9', event_type: 'x', event_data: { n: 1 } };
  expect((await send(user, body)).body).toEqual({ event_id: 'e9', sessions: 120, skipped: false });
  expect(await count()).toEqual({ all: 120, sessions: 120 });
  expect(problemIn(await send(user, { ...body, event_data: { n: 2 } }))).toEqual([409, 'conflict']);
  expect(await count()).toEqual({ all: 120, sessions: 120 });
  expect(chunks).toBe(1);
});

test('events to users who share sessions, at once and beside turns, neither lock each other out nor get lost', async () => {
  const users = ['p', 'q', 'r'];
  const sessions = await Promise.all(Array.from({ length: 9 }, (_, at) => east.session(users[at % 3])));
  for (const id of sessions) {
    await east.db.query(
      `insert into participants (session_id, user_id, role) select $1, u, 'member' from unnest($2::text[]) u
       on conflict do nothing`,
      [id, users],
    );
  }
  const writers = Array.from({ length: 24 }, (_, at) =>
    send(
      users[at % 3] ?? '',
      { id: `n${at}`, event_type: 'x', event_data: at },
      service,
      at % 2 ? east : west,
    ),
  );
  const messages = sessions.map((id, at) =>
    signToken({ sub: users[at % 3] }).then((token) =>
      askJson(`${west.http}/v1/sessions/${id}/messages`, { token, body: { content: 'hello' } }),
    ),
  );
  for (const answer of await Promise.all(writers)) expect(answer.body).toMatchObject({ sessions: 9 });
  for (const answer of await Promise.all(messages)) expect(answer.status).toBe(202);
  const { rows } = await east.db.query<{ last_seq: number; events: number }>(
    `select last_seq, (select count(*) from events where session_id = s.id) as events from sessions s where id = any($1)`,
    [sessions],
  );
  expect(rows).toEqual(sessions.map(() => ({ last_seq: 25, events: 25 })));
});

describe('what is refused', () => {
  test('a token that is no service', async () => {
    for (const claims of [{}, { roles: ['owner'] }, { roles: 'service' }]) {
      const token = await signToken(claims);
      const answer = await send('alice', { event_type: 'x', event_data: 1 }, token);
      expect(problemIn(answer)).toEqual([403, 'forbidden']);
    }
  });

  const nested = (depth: number) =>
    `{"event_type":"x","event_data":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  test.each<[string, unknown]>([
    ['no type', { event_data: 1 }],
    ['an empty type', { event_type: '', event_data: 1 }],
    ['a long type', { event_type: 'x'.repeat(limits.eventTypeChars + 1), event_data: 1 }],
    ['no data', { event_type: 'x' }],
    ['data that no store can keep', { event_type: 'x', event_data: '\u0000' }],
    ['data that is too long', { event_type: 'x', event_data: 'x'.repeat(limits.eventDataChars) }],
    ['a long id', { id: 'x'.repeat(65), event_type: 'x', event_data: 1 }],
    ['no object', '[]'],
    ['deep data', nested(limits.jsonDepth + 1)],
    ['data so deep that it breaks parsers', nested(60_000)],
  ])('%s', async (_, body) => {
    expect(problemIn(await send('alice', body))).toEqual([400, 'validation_error']);
  });

  test('data as deep as it may be is taken', async () => {
    expect((await send('alice', nested(limits.jsonDepth))).status).toBe(202);
  });

  test('a user that is none', async () => {
    for (const path of ['%E0%A4%A', '%00', 'x'.repeat(201)]) {
      const answer = await askJson(`${east.http}/v1/users/${path}/events`, {
        token: service,
        body: { event_type: 'x', event_data: 1 },
      });
      expect(problemIn(answer)).toEqual([400, 'validation_error']);
    }
  });

  test('more than the tenant may send, with the time after which to come back', async () => {
    const token = await signToken({ sub: 'noisy', tenant: 'noisy', roles: ['service'] });
    const body = { event_type: 'x', event_data: 1 };
    const refused: JsonReply[] = [];
    for (let batch = 0; batch < 20 && refused.length === 0; batch += 1) {
      const answers = await Promise.all(Array.from({ length: 100 }, () => send('nobody', body, token)));
      refused.push(...answers.filter(({ status }) => status === 429));
    }
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) {
      expect(problemIn(answer)).toEqual([429, 'rate_limit']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
    expect((await send('nobody', body)).status).toBe(202);
  });
});

test('two transactions that want the same sessions in other orders wait for each other only one way', async () => {
  const sessions = [await east.session('z'), await east.session('z')].sort();
  // Holds the first one; the event waits for it and holds nothing else meanwhile.
  const held = transaction(east.db, async (tx) => {
    await tx.query('select 1 from sessions where id = $1 for no key update', [sessions[0]]);
    const sent = send('z', { event_type: 'x', event_data: 1 });
    await tx.query('select 1 from sessions where id = $1 for no key update', [sessions[1]]);
    return { sent };
  });
  expect((await (await held).sent).body).toMatchObject({ sessions: 2 });
});
