import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { webhookType } from '../../src/protocol/webhooks.ts';
import { transaction } from '../../src/store/db.ts';
import { appendEvents } from '../../src/store/events.ts';
import { syncEndpoints } from '../../src/store/webhook-endpoints.ts';
import { seededRandom } from '../helpers/random.ts';
import { until } from '../helpers/until.ts';
import { asked, ended, fromEnv, WebhookBench } from '../helpers/webhook-bench.ts';
import { answer, isSignedBy } from '../helpers/webhook-receiver.ts';

let bench: WebhookBench;
beforeAll(async () => {
  bench = await WebhookBench.open();
});
afterEach(() => bench.clear());
afterAll(() => bench.close());

const secret = fromEnv('HOOK_SECRET');

test('an event goes to the endpoints that want its type and tenant, signed, and to no other', async () => {
  const [all, ends, acme] = [await bench.receiver(), await bench.receiver(), await bench.receiver()];
  await bench.sending([
    { name: 'all', url: all.url, secret: [secret, fromEnv('OTHER_SECRET')] },
    { name: 'ends', url: ends.url, secret, events: ['turn.ended'] },
    { name: 'acme', url: acme.url, secret, tenants: ['acme'] },
  ]);
  const [mine, theirs] = [await bench.session('t'), await bench.session('acme')];
  const saved = { message_id: 'm', role: 'user' as const, content: 'secret words', attachments: [] };
  await bench.write(mine, { key: 'm', type: 'message_saved', body: saved }, asked(), ended());
  await bench.write(theirs, asked());
  await all.count(3);
  await ends.count(1);
  await acme.count(1);
  await until(async () => (await bench.deliveries()).every(({ status }) => status === 'delivered'));
  expect(
    (await bench.deliveries()).map(({ endpoint, type, tenant }) => [endpoint, type, tenant]).toSorted(),
  ).toEqual([
    ['acme', 'approval.requested', 'acme'],
    ['all', 'approval.requested', 'acme'],
    ['all', 'approval.requested', 't'],
    ['all', 'turn.ended', 't'],
    ['ends', 'turn.ended', 't'],
  ]);
  expect(ends.received[0]?.message).toMatchObject({
    type: 'turn.ended',
    data: { tenant: 't', session_id: mine, turn_id: 'turn', seq: 3, status: 'completed' },
  });
  for (const one of all.received) {
    expect(one.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'turngate-webhooks',
    });
    expect(Math.abs(Number(one.headers['webhook-timestamp']) * 1_000 - Date.now())).toBeLessThan(60_000);
    expect(await isSignedBy(bench.secret, one)).toBe(true);
    expect(await isSignedBy(bench.otherSecret, one)).toBe(true);
    expect(one.body).not.toContain('secret words');
  }
  for (const one of ends.received) expect(await isSignedBy(bench.otherSecret, one)).toBe(false);
  const ids = (await bench.deliveries()).map(({ id }) => id);
  expect([...all.ids(), ...ends.ids(), ...acme.ids()].toSorted()).toEqual(ids.toSorted());
});

test('each of the six types is told, with the fields of its event', async () => {
  const receiver = await bench.receiver();
  await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
  const at = { turnId: 'turn' };
  const question = { request_id: 'q', kind: 'limit' as const, message: 'Go on?', schema: { type: 'object' } };
  const decision = { tool_call_id: 'c', decision: 'rejected' as const, by: 'ann', at: 1, reason: 'no' };
  const reminder = { tool_call_id: 'c', number: 1, expires_at: 2, approvers: ['ann'] };
  await bench.write(
    await bench.session(),
    asked(),
    { key: 'a', type: 'tool_approval_reminder', ...at, body: reminder },
    { key: 'b', type: 'tool_approval_resolved', ...at, body: decision },
    { key: 'c', type: 'input_request', ...at, body: question },
    { key: 'd', type: 'input_resolved', ...at, body: { request_id: 'q', action: 'decline', by: 'ann' } },
    ended(),
  );
  const messages = (await receiver.count(6)).map(({ message }) => message);
  expect(messages.map(({ type }) => type)).toEqual(webhookType.options);
  expect(messages.map(({ data }) => data.seq)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(messages).toMatchObject([
    ...[{ data: { tool: 'office.send_mail', arguments: { to: 'bob' } } }, { data: reminder }],
    ...[{ data: decision }, { data: question }, { data: { by: 'ann' } }, { data: { status: 'completed' } }],
  ]);
});

test('what is rolled back is told to nobody, and what is written twice once', async () => {
  const receiver = await bench.receiver();
  await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
  const sessionId = await bench.session();
  const event = ended();
  await expect(
    transaction(bench.db, async (tx) => {
      await appendEvents(tx, sessionId, [asked()]);
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  await bench.write(sessionId, event);
  await bench.write(sessionId, event);
  await bench.write(sessionId, ended());
  await until(async () => (await bench.deliveries()).every(({ status }) => status === 'delivered'));
  expect(receiver.received.map(({ message }) => [message.type, message.data.seq])).toEqual([
    ['turn.ended', 1],
    ['turn.ended', 2],
  ]);
});

test('a receiver that is down gets it when it is back, with the same id and the same words', async () => {
  const receiver = await bench.receiver();
  receiver.react(answer(500));
  await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
  await bench.write(await bench.session(), asked());
  await receiver.count(2);
  await receiver.down();
  await until(async () => (await bench.deliveries())[0]?.last_error?.includes('ECONNREFUSED'));
  receiver.react(answer(200));
  await receiver.up();
  await until(async () => (await bench.deliveries())[0]?.status === 'delivered');
  const [id] = new Set(receiver.ids());
  expect(new Set(receiver.ids())).toEqual(new Set([id]));
  expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
  expect(await bench.deliveries()).toMatchObject([{ id, last_status: 200, last_error: null }]);
  for (const one of receiver.received) expect(await isSignedBy(bench.secret, one)).toBe(true);
});

test('what is never taken is dead at last, and says why', async () => {
  const receiver = await bench.receiver();
  receiver.react(answer(418));
  await bench.sending([{ name: 'crm', url: receiver.url, secret }], { giveUpMs: 2_000 });
  await bench.write(await bench.session(), asked());
  await until(async () => (await bench.deliveries())[0]?.status === 'dead');
  expect(await bench.deliveries()).toMatchObject([{ last_status: 418, last_error: 'It answered 418.' }]);
  expect(receiver.received.length).toBeGreaterThan(1);
  expect((await bench.deliveries())[0]?.attempts).toBe(receiver.received.length);
});

test('an endpoint that hangs holds up no other, and no more than eight of its own', async () => {
  const [hanging, good] = [await bench.receiver(), await bench.receiver()];
  hanging.react(() => undefined);
  await bench.sending(
    [
      { name: 'hanging', url: hanging.url, secret },
      { name: 'good', url: good.url, secret },
    ],
    { timeoutMs: 60_000 },
  );
  for (let n = 0; n < 20; n += 1) await bench.write(await bench.session(), asked());
  await good.count(20);
  await hanging.count(8);
  expect(hanging.received).toHaveLength(8);
  expect(
    (await bench.deliveries()).filter(({ endpoint, attempts }) => endpoint === 'hanging' && attempts > 0),
  ).toHaveLength(8);
});

test('a receiver that answers too slowly has failed, and one whose answer never ends has it', async () => {
  const receiver = await bench.receiver();
  receiver.react((_, response) => {
    if (receiver.received.length > 1) response.writeHead(200).write('x'.repeat(100));
  });
  await bench.sending([{ name: 'crm', url: receiver.url, secret }], { timeoutMs: 500 });
  await bench.write(await bench.session(), asked());
  await until(async () => (await bench.deliveries())[0]?.status === 'delivered');
  const [delivery] = await bench.deliveries();
  expect(delivery?.last_status).toBe(200);
  expect(delivery?.attempts).toBeGreaterThanOrEqual(2);
});

test('of an answer without an end no more is read than there is room for', async () => {
  const receiver = await bench.receiver();
  let taken = 0;
  receiver.react((_, response) => {
    response.writeHead(200);
    const flood = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536))) taken += 65_536;
    };
    response.on('drain', flood);
    flood();
  });
  await bench.sending([{ name: 'crm', url: receiver.url, secret }], { timeoutMs: 30_000 });
  await bench.write(await bench.session(), asked());
  await until(async () => (await bench.deliveries())[0]?.status === 'delivered');
  expect(taken).toBeLessThan(16 * 1024 * 1024);
});

test('a redirect is not followed', async () => {
  const [receiver, inner] = [await bench.receiver(), await bench.receiver()];
  receiver.react(answer(307, { location: inner.url }));
  await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
  await bench.write(await bench.session(), asked());
  await receiver.count(2);
  expect((await bench.deliveries())[0]).toMatchObject({ status: 'pending', last_status: 307 });
  expect((await bench.deliveries())[0]?.last_error).toMatch(/redirect, which is not followed/);
  expect(inner.received).toEqual([]);
});

test('410 ends an endpoint: what waits is dead and nothing more is written, until it is named anew', async () => {
  const [receiver, moved] = [await bench.receiver(), await bench.receiver()];
  receiver.react(answer(410));
  await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
  const sessionId = await bench.session();
  await bench.write(sessionId, asked(), asked());
  await until(async () => (await bench.deliveries()).every(({ status }) => status === 'dead'));
  expect((await bench.deliveries()).map(({ last_status }) => last_status)).toEqual([410, null]);
  await bench.write(sessionId, ended());
  expect(await bench.deliveries()).toHaveLength(2);
  bench.endpoints([{ name: 'crm', url: moved.url, secret }]);
  await until(async () => {
    const { rows } = await bench.db.query('select 1 from webhook_endpoints where disabled_at is null');
    return rows.length === 1;
  });
  await bench.write(sessionId, ended());
  expect((await moved.count(1))[0]?.message.type).toBe('turn.ended');
  expect(receiver.received).toHaveLength(1);
});

test('Retry-After holds for the whole endpoint', async () => {
  const receiver = await bench.receiver();
  receiver.react(answer(429, { 'retry-after': '3600' }));
  await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
  await bench.write(await bench.session(), asked());
  await until(async () => (await bench.deliveries())[0]?.last_status === 429);
  await bench.write(await bench.session(), asked());
  const { rows } = await bench.db.query<{ wait: number; pause: number }>(
    `select extract(epoch from d.next_attempt_at - now())::float8 as wait, extract(epoch from w.paused_until - now())::float8 as pause
     from webhook_deliveries d join webhook_endpoints w on w.name = d.endpoint order by d.id`,
  );
  expect(rows[0]?.wait).toBeGreaterThan(3_000);
  expect(rows[1]?.pause).toBeGreaterThan(3_000);
  await bench.db.query('update webhook_endpoints set paused_until = now()');
  receiver.react(answer(204));
  await until(async () => (await bench.deliveries())[1]?.status === 'delivered');
  expect(receiver.received).toHaveLength(2);
});

describe('within a session', () => {
  test('what is written later waits for what was written before', async () => {
    const receiver = await bench.receiver();
    receiver.react((one, response) =>
      answer(one.message.data.seq === 1 && receiver.received.length < 3 ? 500 : 204)(one, response),
    );
    await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
    const sessionId = await bench.session();
    await bench.write(sessionId, asked(), ended());
    await until(async () => (await bench.deliveries()).every(({ status }) => status === 'delivered'));
    expect(receiver.received.map(({ message }) => message.data.seq)).toEqual([1, 1, 1, 2]);
  });

  test('but not for ever: what failed three times is passed', async () => {
    const receiver = await bench.receiver();
    receiver.react((one, response) => answer(one.message.data.seq === 1 ? 500 : 204)(one, response));
    await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
    await bench.write(await bench.session(), asked(), ended());
    await until(async () => (await bench.deliveries())[1]?.status === 'delivered');
    expect(receiver.received.slice(0, 3).map(({ message }) => message.data.seq)).toEqual([1, 1, 1]);
    expect((await bench.deliveries())[0]?.status).toBe('pending');
  });
});

test('an endpoint that is taken out of the file gets nothing more', async () => {
  const [kept, removed] = [await bench.receiver(), await bench.receiver()];
  removed.react(answer(503));
  const one = { name: 'kept', url: kept.url, secret };
  await bench.sending([one, { name: 'removed', url: removed.url, secret }]);
  const sessionId = await bench.session();
  await bench.write(sessionId, asked());
  await removed.count(1);
  bench.endpoints([one]);
  await bench.known(['kept']);
  await until(async () => (await bench.deliveries()).every(({ status }) => status !== 'pending'));
  const before = removed.received.length;
  await bench.write(sessionId, ended());
  await kept.count(2);
  expect(removed.received).toHaveLength(before);
  const dead = (await bench.deliveries()).filter(({ endpoint }) => endpoint === 'removed');
  expect(dead).toMatchObject([
    { status: 'dead', last_error: 'The endpoint is not in the file of webhooks any more.' },
  ]);
});

test('a worker that still has an older file takes nothing away from those that have the new one', async () => {
  const row = (name: string) => ({
    name,
    url: 'https://a.example.com',
    eventTypes: ['turn_end'] as const,
    tenants: null,
  });
  const [older, newer] = [[row('old')], [row('old'), row('next')]];
  const removed = async () => {
    const { rows } = await bench.db.query('select name from webhook_endpoints where removed_at is not null');
    return rows.map(({ name }) => name);
  };
  await syncEndpoints(bench.db, newer, 60_000);
  await syncEndpoints(bench.db, older, 60_000);
  expect(await removed()).toEqual([]);
  // Nobody names it for as long as that.
  await syncEndpoints(bench.db, older, 0);
  expect(await removed()).toEqual(['next']);
  await syncEndpoints(bench.db, newer, 60_000);
  expect(await removed()).toEqual([]);
});

test('a file that breaks while it is in use changes nothing', async () => {
  const receiver = await bench.receiver();
  const lines: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  bench.endpoints([{ name: 'crm', url: receiver.url, secret }]);
  bench.sender({}, logger);
  await bench.known(['crm']);
  bench.endpoints([{ name: 'crm', url: receiver.url, secret: bench.secret }]);
  await until(() => lines.some((line) => line.includes('cannot be used')));
  await bench.write(await bench.session(), asked({ arguments: { to: 'words of a person' } }));
  await receiver.count(1);
  await until(() => lines.some((line) => line.includes('was delivered')));
  expect(lines.join('')).not.toMatch(/whsec_|words of a person/);
  expect(lines.join('')).not.toContain(receiver.url);
});

test('two workers share the work and send nothing twice', async () => {
  const receiver = await bench.receiver();
  await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
  bench.sender();
  bench.sender();
  const sessions = await Promise.all(Array.from({ length: 20 }, () => bench.session()));
  await Promise.all(
    sessions.map(async (sessionId) => {
      for (let n = 0; n < 5; n += 1) await bench.write(sessionId, asked());
    }),
  );
  await until(async () => (await bench.deliveries()).every(({ status }) => status === 'delivered'));
  expect(receiver.ids()).toHaveLength(100);
  expect(new Set(receiver.ids()).size).toBe(100);
  for (const sessionId of sessions) {
    const seqs = receiver.received
      .filter(({ message }) => message.data.session_id === sessionId)
      .map(({ message }) => message.data.seq);
    expect(seqs).toEqual([1, 2, 3, 4, 5]);
  }
});

test('whatever receivers do and however often workers are stopped, all of it arrives, the same each time', async () => {
  const random = seededRandom(7);
  const receiver = await bench.receiver();
  const taken = new Set<string>();
  receiver.react((one, response) => {
    const roll = random();
    if (roll < 0.2) answer(500)(one, response);
    else if (roll < 0.3) response.destroy();
    else if (roll < 0.35) answer(302, { location: receiver.url })(one, response);
    else if (roll < 0.9) {
      taken.add(String(one.headers['webhook-id']));
      answer(200)(one, response);
    }
  });
  const one = { name: 'crm', url: receiver.url, secret };
  const senders = [await bench.sending([one], { timeoutMs: 500 })];
  const sessions = await Promise.all(Array.from({ length: 10 }, () => bench.session()));
  for (let n = 0; n < 100; n += 1) {
    await bench.write(sessions[n % sessions.length] ?? '', asked());
    if (n % 20 !== 19) continue;
    await Promise.all(senders.splice(0).map((sender) => sender.stop()));
    for (let more = 0; more < 1 + (n % 3); more += 1) senders.push(bench.sender({ timeoutMs: 500 }));
  }
  await until(async () => (await bench.deliveries()).every(({ status }) => status === 'delivered'), 60_000);
  const ids = (await bench.deliveries()).map(({ id }) => id);
  expect(ids).toHaveLength(100);
  expect(ids.filter((id) => !taken.has(id))).toEqual([]);
  for (const id of ids) {
    const bodies = receiver.received
      .filter(({ headers }) => headers['webhook-id'] === id)
      .map(({ body }) => body);
    expect(new Set(bodies).size).toBe(1);
  }
}, 120_000);

test('what is delivered or dead is removed after its time, and what waits never', async () => {
  const [good, bad] = [await bench.receiver(), await bench.receiver()];
  bad.react(answer(500));
  await bench.sending(
    [
      { name: 'good', url: good.url, secret },
      { name: 'bad', url: bad.url, secret },
    ],
    { retentionMs: 50 },
  );
  await bench.write(await bench.session(), asked());
  await until(async () => (await bench.deliveries()).length === 1);
  await bad.count(4);
  expect(await bench.deliveries()).toMatchObject([{ endpoint: 'bad', status: 'pending' }]);
});
