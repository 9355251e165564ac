import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signToken, testSecret, until } from '../helpers/gateway.ts';
import { type GatewayProcess, spawnGateway } from '../helpers/gateway-process.ts';
import type { Piece } from '../helpers/scripted-model.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';
import { WireClient } from '../helpers/wire-client.ts';

const words = Array.from({ length: 120 }, (_, n) => `word${n} `);

let harness: TurnHarness;
let alice: string;
let bob: string;
const gateways: GatewayProcess[] = [];
const clients: WireClient[] = [];

/** Word after word, as a model speaks. */
function* speak(): Iterable<Piece> {
  for (const word of words) {
    yield word;
    yield { delayMs: 40 };
  }
}

beforeAll(async () => {
  harness = await openTurnHarness();
  harness.model.script(() => speak());
  await Promise.all([harness.startWorker(), harness.startWorker()]);
  alice = await signToken({}, { secret: testSecret });
  bob = await signToken({ sub: 'bob' }, { secret: testSecret });
}, 60_000);
afterAll(async () => {
  for (const client of clients) client.close();
  await Promise.all(gateways.map((gateway) => gateway.end('SIGKILL')));
  await harness.close();
});

async function start(count: number, settings: Record<string, string> = {}): Promise<GatewayProcess[]> {
  const { TEMPORAL_TASK_QUEUE = '', DATABASE_URL = '' } = harness.env;
  const own = { TEMPORAL_TASK_QUEUE, ...settings };
  const started = await Promise.all(
    Array.from({ length: count }, () => spawnGateway(DATABASE_URL, testSecret, own)),
  );
  gateways.push(...started);
  await until(async () => {
    const ready = await Promise.all(started.map(({ http }) => fetch(`${http}/readyz`)));
    return ready.every(({ status }) => status === 200);
  });
  return started;
}

/** A client that takes the next of these gateways at each connect, as a load balancer without memory has it. */
function wander(sessionId: string, token: string, targets: GatewayProcess[]): WireClient {
  let next = 0;
  const client = new WireClient(() => {
    const target = targets[next % targets.length];
    next += 1;
    return { url: `${target?.ws}/v1/sessions/${sessionId}/ws`, token };
  });
  clients.push(client);
  return client;
}

const presenceOf = (client: WireClient) =>
  client.notices.flatMap((frame) => (frame.type === 'presence' ? [frame.users] : [])).at(-1);

describe('several gateways and workers', () => {
  test('a turn streams through the death of one gateway and the end of another, and nobody misses a character', async () => {
    const [first, second, third] = await start(3, { DRAIN_NOTICE_MS: '1500' });
    if (!first || !second || !third) throw new Error('There are fewer gateways than were started.');
    const sessionId = await harness.session();
    await harness.db.query(
      `insert into participants (session_id, user_id, role) values ($1, 'bob', 'member')`,
      [sessionId],
    );
    const [talker, stayer] = [
      wander(sessionId, alice, [first, second, third]),
      wander(sessionId, bob, [third]),
    ];
    await until(
      () =>
        JSON.stringify(presenceOf(stayer)) ===
        JSON.stringify([
          { user_id: 'alice', devices: 1 },
          { user_id: 'bob', devices: 1 },
        ]),
    );
    const asked = harness.model.requests.length;
    talker.send({ type: 'message', id: 'm1', content: 'speak' });
    await until(() => talker.lastText.includes('word10 '), 20_000);

    await first.end('SIGKILL');
    await until(() => talker.isOpen && talker.closes.length === 1);
    const atSecond = talker.lastText.length;
    await until(() => talker.lastText.length > atSecond);

    const ended = second.end('SIGTERM');
    await until(async () => (await fetch(`${second.http}/readyz`)).status === 503);
    // It is not ready, and its connections go on: the load balancer has time to notice.
    expect(talker.closes.length).toBe(1);
    const atNotice = talker.lastText.length;
    await until(() => talker.lastText.length > atNotice);
    await until(() => talker.closes.length === 2);
    expect(talker.closes[1]?.code).toBe(1012);
    expect(talker.closes[1]?.reason).toMatch(/^Server restarting; retry_after_ms=\d+$/);
    await ended;

    const whole = words.join('');
    for (const client of [talker, stayer]) {
      const end = await client.event('stream_end');
      expect(end.content).toBe(whole);
      expect((await client.event('turn_end')).status).toBe('completed');
      expect(client.lastText).toBe(whole);
      expect(client.faults).toEqual([]);
    }
    expect(stayer.closes).toEqual([]);
    expect(talker.events).toEqual(stayer.events);
    expect(harness.model.requests.length).toBe(asked + 1);
    expect(stayer.statuses.filter(({ status }) => status === 'retrying' || status === 'stalled')).toEqual([]);
  }, 90_000);

  test('presence ends with the gateway that was killed', async () => {
    const [doomed, lasting] = await start(2);
    if (!doomed || !lasting) throw new Error('There are fewer gateways than were started.');
    const sessionId = await harness.session();
    await harness.db.query(
      `insert into participants (session_id, user_id, role) values ($1, 'bob', 'member')`,
      [sessionId],
    );
    const [gone, here] = [wander(sessionId, alice, [doomed]), wander(sessionId, bob, [lasting])];
    await until(() => presenceOf(here)?.length === 2);
    gone.send({ type: 'typing', id: 't', active: true });
    await until(() => here.notices.some((frame) => frame.type === 'typing' && frame.active));
    await doomed.end('SIGKILL');
    const killedAt = performance.now();
    gone.close();
    await until(() => here.notices.some((frame) => frame.type === 'typing' && !frame.active));
    await until(() => presenceOf(here)?.length === 1, 20_000);
    expect(presenceOf(here)).toEqual([{ user_id: 'bob', devices: 1 }]);
    // Dead after 10 s; a beat of another gateway, at most 2 s away, finds it.
    expect(performance.now() - killedAt).toBeLessThan(14_000);
    const left = `select 1 from connections where session_id = $1 and user_id = 'alice'`;
    expect((await harness.db.query(left, [sessionId])).rowCount).toBe(0);
  }, 60_000);
});
