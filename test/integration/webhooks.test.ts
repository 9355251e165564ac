import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { webhookType } from '../../src/protocol/webhooks.ts';
import { transaction } from '../../src/store/db.ts';
import { appendEvents } from '../../src/store/events.ts';
import { enableEndpoint } from '../../src/store/webhook-endpoints.ts';
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

test('one that answered 410 and was enabled is told what happens from then on', async () => {
  const receiver = await bench.receiver();
  receiver.react(answer(410));
  await bench.sending([{ name: 'crm', url: receiver.url, secret }]);
  const sessionId = await bench.session();
  await bench.write(sessionId, asked());
  await until(async () => {
    const { rows } = await bench.db.query('select 1 from webhook_endpoints where disabled_at is not null');
    return rows.length === 1 && (await bench.deliveries())[0]?.status === 'dead';
  });
  receiver.react(answer(204));
  expect(await enableEndpoint(bench.db, { tenant: 't', name: 'crm' })).toMatchObject({
    state: 'active',
    dead: 1,
  });
  await bench.write(sessionId, ended());
  expect((await receiver.count(2)).map(({ message }) => message.type)).toEqual([
    'approval.requested',
    'turn.ended',
  ]);
  await until(async () => (await bench.deliveries())[1]?.status === 'delivered');
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
