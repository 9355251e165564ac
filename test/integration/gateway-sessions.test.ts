import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/protocol/limits.ts';
import { readFeed } from '../../src/store/feeds.ts';
import { endSoon } from '../helpers/credentials.ts';
import { type GatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { seatParticipants } from '../helpers/participants.ts';

let east: GatewayHarness;
let west: GatewayHarness;
beforeAll(async () => {
  [east, west] = await openGatewayPair();
});
afterAll(() => east.close());

const tokenOf = (sub: string) => signToken({ sub });
const idOf = (answer: { body: Record<string, unknown> }) => String(answer.body.id);

describe('making a session', () => {
  test('with people in roles; whoever makes it is an owner [http-create]', async () => {
    const made = await east.ask('POST', '/v1/sessions', {
      body: { title: 'Plans', participants: { bob: 'member', eve: 'viewer', alice: 'owner' } },
    });
    expect(made.status).toBe(201);
    const { body } = await west.ask('GET', `/v1/sessions/${idOf(made)}`, { token: await tokenOf('eve') });
    expect(body).toMatchObject({
      title: 'Plans',
      role: 'viewer',
      participants: [
        { user_id: 'alice', role: 'owner' },
        { user_id: 'bob', role: 'member' },
        { user_id: 'eve', role: 'viewer' },
      ],
    });
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`u${n}`, 'viewer']));
    for (const participants of [
      { alice: 'viewer' },
      { bob: 'king' },
      { '': 'viewer' },
      many,
      { 'a\u0000': 'owner' },
    ]) {
      expect((await east.ask('POST', '/v1/sessions', { body: { participants } })).status).toBe(400);
    }
  });

  test('with an id of my own, sent again and at once, makes one, and mine alone [http-create-again]', async () => {
    const id = randomUUID();
    const asked = await Promise.all(
      [east, west, east, west].map((at) => at.ask('POST', '/v1/sessions', { body: { id, title: 'Once' } })),
    );
    expect(asked.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 201]);
    expect(new Set(asked.map(idOf)).size).toBe(1);
    for (const claims of [{ sub: 'bob' }, { tenant: 'other' }]) {
      const token = await signToken(claims);
      const theirs = await east.ask('POST', '/v1/sessions', { token, body: { id } });
      expect(theirs.status).toBe(201);
      expect(idOf(theirs)).not.toBe(asked[0] && idOf(asked[0]));
    }
    // The id is a name for making it, not the session's.
    expect((await east.ask('GET', `/v1/sessions/${id}`)).status).toBe(404);
  });

  test('lists those of mine and those shared with me, in pages without a double or a hole [http-list]', async () => {
    const me = randomUUID();
    const token = await tokenOf(me);
    const ids: string[] = [];
    for (let n = 0; n < 7; n += 1) {
      const isMine = n % 2 === 0;
      const body = isMine ? {} : { participants: { [me]: 'viewer' } };
      ids.unshift(idOf(await east.ask('POST', '/v1/sessions', { body, ...(isMine ? { token } : {}) })));
    }
    const seen: unknown[] = [];
    let before = '';
    for (let pages = 0; pages < 10; pages += 1) {
      const { body } = await west.ask('GET', `/v1/sessions?limit=3${before && `&before=${before}`}`, {
        token,
      });
      seen.push(...(body.sessions as { id: string; role: string }[]).map((each) => each.id));
      if (body.next === null) break;
      before = String(body.next);
    }
    expect(seen).toEqual(ids);
  });
});

describe('changing a session', () => {
  test('tells everybody what changed, and nothing where nothing did [http-change] [event-session_updated]', async () => {
    const sessionId = await east.session();
    const path = `/v1/sessions/${sessionId}`;
    await east.join(sessionId, 'bob', 'viewer');
    const bob = await west.connect(sessionId, { token: await tokenOf('bob') });
    const change = {
      title: 'New',
      participants: { bob: 'approver', eve: 'viewer' },
      config: { on_busy: 'reject' },
    };
    const changed = await east.ask('PATCH', path, { body: change });
    expect(changed).toMatchObject({ status: 200, body: { title: 'New', config: { on_busy: 'reject' } } });
    const told = await bob.frame('session_updated');
    expect(told).toMatchObject({
      title: 'New',
      participants: [
        { user_id: 'alice', role: 'owner' },
        { user_id: 'bob', role: 'approver' },
        { user_id: 'eve', role: 'viewer' },
      ],
    });
    expect(told).not.toHaveProperty('state');
    await east.ask('PATCH', path, { body: change });
    const closed = await east.ask('PATCH', path, { body: { state: 'closed' } });
    expect(closed.body.state).toBe('closed');
    // What follows the first is the second: saying the same again said nothing.
    expect(await bob.frame('session_updated', ({ state }) => state === 'closed')).toMatchObject({
      seq: told.seq + 1,
    });
  });

  test('a closed session takes no message and says why; it is read as before, and opened again [session-closed]', async () => {
    const sessionId = await east.session();
    const path = `/v1/sessions/${sessionId}`;
    const client = await west.connect(sessionId);
    await east.ask('PATCH', path, { body: { state: 'closed' } });
    client.send({ type: 'message', id: 'm', content: 'hello' });
    const refusal = await client.frame('error', ({ id }) => id === 'm');
    expect(refusal).toMatchObject({ code: 'conflict', error: expect.stringContaining('closed') });
    const posted = await east.ask('POST', `${path}/messages`, { body: { content: 'hello' } });
    expect(posted).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await east.ask('GET', `${path}/messages`)).status).toBe(200);
    (await east.connect(sessionId)).terminate();
    expect((await east.ask('PATCH', path, { body: { state: 'active' } })).body.state).toBe('active');
    client.send({ type: 'message', id: 'm2', content: 'hello' });
    await client.frame('ack', ({ id }) => id === 'm2');
  });

  test('is for owners, and never leaves a session without one [session-owner]', async () => {
    const sessionId = await east.session();
    const path = `/v1/sessions/${sessionId}`;
    await east.join(sessionId, 'bob', 'member');
    const bob = await tokenOf('bob');
    for (const [method, body] of [
      ['PATCH', { title: 'x' }],
      ['DELETE', undefined],
    ] as const) {
      const refused = await east.ask(method, path, { token: bob, ...(body ? { body } : {}) });
      expect(refused).toMatchObject({ status: 403, body: { detail: expect.stringContaining('owner') } });
    }
    for (const participants of [{ alice: null }, { alice: 'member' }, { alice: null, bob: 'approver' }]) {
      const refused = await east.ask('PATCH', path, { body: { participants } });
      expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } });
    }
    await east.ask('PATCH', path, { body: { participants: { bob: 'owner' } } });
    // Two owners who throw each other out at once: one of them stays.
    const both = await Promise.all([
      east.ask('PATCH', path, { body: { participants: { bob: null } } }),
      west.ask('PATCH', path, { token: bob, body: { participants: { alice: null } } }),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 403]);
    const { rows } = await east.db.query('select role from participants where session_id = $1', [sessionId]);
    expect(rows).toEqual([{ role: 'owner' }]);
  });

  test('one that is not valid is refused whole', async () => {
    const path = `/v1/sessions/${await east.session()}`;
    const many = Object.fromEntries(
      Array.from({ length: limits.participantsPerSession }, (_, n) => [`u${n}`, 'viewer']),
    );
    for (const body of [
      { title: 'x'.repeat(201) },
      { title: 'x', state: 'suspended' },
      { title: 'x', participants: { bob: 'king' } },
      { title: 'x', config: { on_busy: 'never' } },
      { title: 'x', participants: many },
    ]) {
      expect((await east.ask('PATCH', path, { body })).status).toBe(400);
    }
    expect((await east.ask('GET', path)).body.title).toBe('');
  });

  test('lets nobody in whose name is not what it looks like, and sends away who is there [http-change]', async () => {
    const hidden = 'bob\u200b';
    const refused = { code: 'validation_error', detail: expect.stringContaining('holds a control, format') };
    const made = await east.ask('POST', '/v1/sessions', { body: { participants: { [hidden]: 'viewer' } } });
    expect(made.body).toMatchObject(refused);
    const sessionId = await east.session();
    const change = (role: string | null) =>
      east.ask('PATCH', `/v1/sessions/${sessionId}`, { body: { participants: { [hidden]: role } } });
    expect((await change('viewer')).body).toMatchObject(refused);
    await seatParticipants(east.db, sessionId, { [hidden]: 'viewer' });
    expect((await change(null)).body.participants).toEqual([{ user_id: 'alice', role: 'owner' }]);
  });

  test('who is removed is shut out on every gateway at once, and told in their feed [close-4003-removed]', async () => {
    const sessionId = await east.session();
    const user = randomUUID();
    const token = await tokenOf(user);
    await east.join(sessionId, user, 'member');
    const clients = await Promise.all([east, west].map((at) => at.connect(sessionId, { token })));
    const alice = await west.connect(sessionId);
    const done = await east.ask('PATCH', `/v1/sessions/${sessionId}`, {
      body: { participants: { [user]: null } },
    });
    expect(done.status).toBe(200);
    for (const client of clients) expect(await endSoon(client)).toBe(4003);
    expect((await (await west.dial(sessionId, { token })).end()).code).toBe(4003);
    expect((await west.ask('GET', `/v1/sessions/${sessionId}`, { token })).status).toBe(403);
    expect((await west.ask('GET', '/v1/sessions', { token })).body.sessions).toEqual([]);
    const feed = await readFeed(east.db, { tenant: 't', userId: user, after: 0, limit: 10 });
    expect(feed.at(-1)).toMatchObject({ type: 'session_updated', session_id: sessionId, removed: true });
    alice.send({ type: 'message', id: 'm', content: 'still here' });
    await alice.frame('ack', ({ id }) => id === 'm');
  });

  test('who is removed while they come in does not stay, whichever is first', async () => {
    for (let round = 0; round < 10; round += 1) {
      const sessionId = await east.session();
      const user = randomUUID();
      const token = await tokenOf(user);
      await east.join(sessionId, user, 'member');
      const clients = await Promise.all([east, west, west].map((at) => at.dial(sessionId, { token })));
      await east.ask('PATCH', `/v1/sessions/${sessionId}`, { body: { participants: { [user]: null } } });
      const codes = await Promise.all(clients.map(async (client) => (await client.end()).code));
      expect(codes).toEqual([4003, 4003, 4003]);
    }
  });
});

test("another tenant's session is none, whatever is asked of it [tenant-apart]", async () => {
  const sessionId = await east.session();
  // The same user id elsewhere is somebody else.
  const token = await signToken({ tenant: randomUUID(), roles: ['service'] });
  const path = `/v1/sessions/${sessionId}`;
  for (const [method, rest, body] of [
    ['GET', ''],
    ['GET', '/messages'],
    ['GET', '/events'],
    ['POST', '/messages', { content: 'x' }],
    ['POST', '/cancel', {}],
    ['PATCH', '', { title: 'x' }],
    ['DELETE', ''],
  ] as const) {
    const answer = await east.ask(method, `${path}${rest}`, { token, ...(body ? { body } : {}) });
    expect([method, rest, answer.status]).toEqual([method, rest, 404]);
  }
  const { body } = await east.ask('GET', '/v1/sessions?limit=200', { token });
  expect(body.sessions).toEqual([]);
  const ticket = await east.ask('POST', '/v1/tickets', { token, body: { session_id: sessionId } });
  const client = await east.dial(sessionId, { token: null, query: { ticket: String(ticket.body.ticket) } });
  expect((await client.end()).code).toBe(4004);
});
