import { Agent, get } from 'node:http';
import { afterEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { readEvents } from '../../src/store/events.ts';
import { type GatewayHarness, openGatewayHarness } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

const opened: GatewayHarness[] = [];
const clients: pg.Client[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await Promise.all(opened.splice(0).map((harness) => harness.close()));
});

async function open(): Promise<GatewayHarness> {
  const harness = await openGatewayHarness();
  opened.push(harness);
  return harness;
}

/** Holds a session's row, so that whatever changes the session is under way until it is let go. */
async function hold(harness: GatewayHarness, sessionId: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: harness.databaseUrl, application_name: 'test-holder' });
  clients.push(client);
  await client.connect();
  await client.query('begin');
  await client.query('select 1 from sessions where id = $1 for update', [sessionId]);
  return async () => {
    await client.query('commit');
  };
}

/** Waits until somebody waits for the row. */
async function untilHeld(harness: GatewayHarness): Promise<void> {
  const waiting = `select 1 from pg_stat_activity where application_name = 'test-gateway' and wait_event_type = 'Lock'`;
  await until(async () => (await harness.db.query(waiting)).rowCount !== 0);
}

function statusOf(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    }).on('error', reject);
  });
}

test('while it drains: not ready, no new connection, and what is under way is acked before the farewell', async () => {
  const harness = await open();
  const sessionId = await harness.session();
  const client = await harness.connect(sessionId);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect(await statusOf(`${harness.http}/readyz`, agent)).toBe(200);
  const letGo = await hold(harness, sessionId);
  client.send({ type: 'message', id: 'last', content: 'one more' });
  await untilHeld(harness);

  const drained = harness.gateway.close({ boundMs: 30_000 });
  expect(await statusOf(`${harness.http}/readyz`, agent)).toBe(503);
  const late = await harness.dial(sessionId);
  expect((await late.end()).code).not.toBe(1000);
  expect(client.closed).toBeNull();
  await letGo();
  const ack = await client.frame('ack', ({ id }) => id === 'last');
  expect(ack.disposition).toBe('started');
  expect((await client.end()).code).toBe(1012);
  await drained;
  agent.destroy();
});

test('what takes longer than the drain waits is committed all the same, without an ack', async () => {
  const harness = await open();
  const sessionId = await harness.session();
  const client = await harness.connect(sessionId);
  const letGo = await hold(harness, sessionId);
  client.send({ type: 'message', id: 'slow', content: 'slow one' });
  await untilHeld(harness);
  await harness.gateway.close({ boundMs: 200 });
  expect((await client.end()).code).toBe(1012);
  expect(client.of('ack')).toEqual([]);
  await letGo();
  const read = () => readEvents(harness.db, { sessionId, after: 0, limit: 10 });
  await until(async () => (await read()).length > 0);
  expect(await read()).toMatchObject([{ frame: { type: 'message_saved', client_message_id: 'slow' } }]);
});
