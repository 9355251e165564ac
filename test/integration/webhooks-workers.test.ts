import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { syncEndpoints } from '../../src/store/webhook-endpoints.ts';
import { seededRandom } from '../helpers/random.ts';
import { until } from '../helpers/until.ts';
import { asked, ended, fromEnv, WebhookBench } from '../helpers/webhook-bench.ts';
import { answer } from '../helpers/webhook-receiver.ts';

let bench: WebhookBench;
beforeAll(async () => {
  bench = await WebhookBench.open();
});
afterEach(() => bench.clear());
afterAll(() => bench.close());

const secret = fromEnv('HOOK_SECRET');

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
