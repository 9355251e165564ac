import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { askToClose } from '../../src/store/connections.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';
import { openWire, type Wire } from '../helpers/wire.ts';
import { WireClient } from '../helpers/wire-client.ts';

let first: GatewayHarness;
const others: GatewayHarness[] = [];
const wanderers: WireClient[] = [];
let wire: Wire;
beforeAll(async () => {
  first = await openGatewayHarness();
  others.push(await openGatewayHarness({ beside: first }));
  others.push(
    await openGatewayHarness({
      beside: first,
      timings: { life: { beatMs: 100, deadMs: 2_000 } },
      wayTo: async (url) => {
        wire = await openWire(url);
        return wire.url;
      },
    }),
  );
});
afterAll(async () => {
  for (const client of wanderers) client.close();
  await Promise.all(others.map((harness) => harness.close()));
  await wire.close();
  await first.close();
});

test('a client that is sent to another gateway again and again, in mid-stream, sees what one sees that stays', async () => {
  const sessionId = await first.session();
  const token = await signToken();
  const targets = [first, ...others];
  let visits = 0;
  const wanderer = new WireClient(() => {
    const { ws } = targets[visits % targets.length] ?? first;
    visits += 1;
    return { url: `${ws}/v1/sessions/${sessionId}/ws`, token };
  });
  wanderers.push(wanderer);
  const stayer = await first.connect(sessionId, { query: { device: 'stays' } });
  await until(() => wanderer.isOpen);
  for (let turn = 1; turn <= 3; turn += 1) {
    const step = new StreamingStep(first.db, first.worker, sessionId);
    await step.ask(`question ${turn}`);
    await step.open();
    for (let n = 0; n < 60; n += 1) {
      step.say(`${turn}.${n} `);
      if (n % 20 === 9) {
        const before = wanderer.closes.length;
        const sql = `insert into closures (gateway_id, connection_id, reason)
          select gateway_id, connection_id, 'restarting' from connections where session_id = $1 and device <> 'stays'`;
        await first.db.query(sql, [sessionId]);
        await until(() => wanderer.closes.length > before);
      }
      if (n % 20 !== 19) continue;
      // As a worker does it several times a second: what fell between two gateways is in there.
      await step.draft();
      await until(() => wanderer.textOf(step.messageId) === step.text);
    }
    await step.close();
    await until(() => stayer.of('turn_end').length === turn);
    await until(() => wanderer.events.filter(({ type }) => type === 'turn_end').length === turn);
    for (const client of [wanderer, stayer]) expect(client.textOf(step.messageId)).toBe(step.text);
  }
  expect(visits).toBeGreaterThanOrEqual(10);
  expect(wanderer.faults).toEqual([]);
  expect(stayer.breaches).toEqual([]);
  const events = stayer.frames.filter((frame) => 'seq' in frame && frame.type !== 'cursor');
  expect(wanderer.events).toEqual(events);
}, 60_000);

test('what ended while the store was away is removed when it is back, and what lives has its row', async () => {
  const far = others[1] ?? first;
  const sessionId = await first.session('frank');
  const token = await signToken({ sub: 'frank' });
  const [stays, goes] = [await far.connect(sessionId, { token }), await far.connect(sessionId, { token })];
  const witness = await first.connect(sessionId, { token, query: { device: 'witness' } });
  const devices = (count: number) => () => witness.of('presence').at(-1)?.users[0]?.devices === count;
  await until(devices(3));
  wire.cut();
  goes.terminate();
  // Longer away than a gateway may be: the others remove it, and with it the one that lives.
  await until(devices(1), 20_000);
  expect(stays.closed).toBeNull();
  wire.mend();
  await until(devices(2), 20_000);
  stays.send({ type: 'ping', id: 'there' });
  await stays.frame('pong');
  await askToClose(first.db, { tenant: 't', userId: 'frank', sessionId }, 'unauthorized');
  expect((await stays.end()).code).toBe(4001);
  expect((await witness.end()).code).toBe(4001);
  await until(() => far.gateway.sizes().registered === 0);
}, 60_000);
