import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  webhookDeliveriesPage,
  webhookDelivery,
  webhookEndpoint,
  webhookEndpointsList,
} from '../../src/protocol/webhooks.ts';
import { lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents } from '../../src/store/events.ts';
import { type DueDelivery, recordFailure, takeDueDeliveries } from '../../src/store/webhook-deliveries.ts';
import { disableEndpoint, syncEndpoints } from '../../src/store/webhook-endpoints.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson, problemIn } from '../helpers/http.ts';
import { asked, ended } from '../helpers/webhook-bench.ts';

let harness: GatewayHarness;
let mine: string;
let theirs: string;

beforeAll(async () => {
  harness = await openGatewayHarness();
  mine = await signToken({ sub: 'backend', tenant: 't', roles: ['service'] });
  theirs = await signToken({ sub: 'backend', tenant: 'acme', roles: ['service'] });
  const types = ['tool_approval_request', 'turn_end'] as const;
  await syncEndpoints(
    harness.db,
    [
      { name: 'all', url: 'https://a.example.com', eventTypes: types, tenants: null },
      { name: 'acme', url: 'https://b.example.com', eventTypes: types, tenants: ['acme'] },
    ],
    60_000,
  );
  for (const tenant of ['t', 'acme']) {
    const sessionId = await harness.session('alice', tenant);
    await transaction(harness.db, async (tx) => {
      await lockSession(tx, sessionId);
      await appendEvents(tx, sessionId, [asked(), ended()]);
    });
  }
});
afterAll(() => harness.close());

const ask = (path: string, token: string, method = 'GET') =>
  askJson(`${harness.http}/v1/webhooks/${path}`, { token, method });
const deliveries = async (token: string, query = '') =>
  webhookDeliveriesPage.parse((await ask(`deliveries${query}`, token)).body);
const take = (endpoint: string) =>
  takeDueDeliveries(harness.db, { free: new Map([[endpoint, 10]]), leaseMs: 60_000 });
const give = (due: DueDelivery) =>
  recordFailure(harness.db, due, { status: 500, words: 'It answered 500.', retryInMs: null, giveUpMs: 1 });

test('a service reads the deliveries of its tenant, newest first, page by page [http-webhook-deliveries]', async () => {
  const own = await deliveries(mine);
  expect(own.deliveries.map(({ endpoint, type, seq }) => [endpoint, type, seq])).toEqual([
    ['all', 'turn.ended', 2],
    ['all', 'approval.requested', 1],
  ]);
  expect(own).toMatchObject({
    next: null,
    deliveries: [{ status: 'pending', attempts: 0, last_error: null }, {}],
  });
  const first = await deliveries(theirs, '?limit=3');
  const second = await deliveries(theirs, `?limit=3&before=${first.next}`);
  expect([first.deliveries.length, second.deliveries.length, second.next]).toEqual([3, 1, null]);
  const ids = [...first.deliveries, ...second.deliveries].map(({ id }) => id);
  expect(ids).toEqual(ids.toSorted().toReversed());
  expect((await deliveries(theirs, '?status=dead')).deliveries).toEqual([]);
  expect(problemIn(await ask('deliveries?status=lost', mine))).toEqual([400, 'validation_error']);
});

test('endpoints are told with their numbers, each to the tenants that it hears of [http-webhook-endpoints]', async () => {
  const told = async (token: string) =>
    webhookEndpointsList.parse((await ask('endpoints', token)).body).endpoints;
  expect(await told(mine)).toEqual([
    {
      ...{ name: 'all', url: 'https://a.example.com', events: ['approval.requested', 'turn.ended'] },
      ...{ state: 'active', paused_until: null, pending: 2, dead: 0 },
    },
  ]);
  expect((await told(theirs)).map(({ name }) => name)).toEqual(['acme', 'all']);
});

test('people and strangers are refused', async () => {
  const token = await signToken();
  for (const path of ['endpoints', 'deliveries'])
    expect(problemIn(await ask(path, token))).toEqual([403, 'forbidden']);
  for (const path of ['deliveries/x/resend', 'endpoints/all/enable'])
    expect(problemIn(await ask(path, token, 'POST'))).toEqual([403, 'forbidden']);
});

test('what is dead is sent again under its id, by its tenant alone [http-webhook-resend]', async () => {
  const [request] = await take('all');
  const mineOnly = (await deliveries(mine)).deliveries.find(({ type }) => type === 'approval.requested');
  const id = mineOnly?.id ?? '';
  expect(request?.id).toBe(id);
  if (request) expect(await give(request)).toBe('dead');
  const dead = (await deliveries(mine, '?status=dead')).deliveries;
  expect(dead).toMatchObject([{ id, attempts: 1, last_status: 500, last_error: 'It answered 500.' }]);
  expect(problemIn(await ask(`deliveries/${id}/resend`, theirs, 'POST'))).toEqual([404, 'not_found']);
  const again = await ask(`deliveries/${id}/resend`, mine, 'POST');
  expect([again.status, webhookDelivery.parse(again.body)]).toMatchObject([
    202,
    { id, status: 'pending', finished_at: null },
  ]);
  // Its attempts begin anew, and so does its time.
  const taken = (await take('all')).find((due) => due.id === id);
  expect(taken).toMatchObject({ attempt: 1, lease: 2, payload: request?.payload });
  const retry = { status: 500, words: 'no', retryInMs: 60_000, giveUpMs: 3_600_000 };
  expect(taken && (await recordFailure(harness.db, taken, retry))).toBe('pending');
  // The first attempt's end comes late: it is another's turn now.
  expect(request && (await give(request))).toBeNull();
});

test('to an endpoint that is gone nothing is sent again, until a service of its tenant enables it [http-webhook-enable]', async () => {
  const due = await take('acme');
  for (const one of due) await give(one);
  await disableEndpoint(harness.db, { name: 'acme', url: 'https://b.example.com' });
  expect(problemIn(await ask(`deliveries/${due[0]?.id}/resend`, theirs, 'POST'))).toEqual([409, 'conflict']);
  expect((await ask('endpoints', theirs)).body.endpoints).toMatchObject([
    { name: 'acme', state: 'disabled' },
    {},
  ]);
  expect(problemIn(await ask('endpoints/acme/enable', mine, 'POST'))).toEqual([404, 'not_found']);
  expect(problemIn(await ask('endpoints/none/enable', theirs, 'POST'))).toEqual([404, 'not_found']);
  for (const time of ['first', 'again']) {
    const enabled = await ask('endpoints/acme/enable', theirs, 'POST');
    expect([time, enabled.status, webhookEndpoint.parse(enabled.body)]).toMatchObject([
      ...[time, 200],
      { name: 'acme', state: 'active', dead: due.length },
    ]);
  }
  expect((await ask(`deliveries/${due[0]?.id}/resend`, theirs, 'POST')).status).toBe(202);
  expect((await take('acme')).map(({ id }) => id)).toEqual([due[0]?.id]);
});
