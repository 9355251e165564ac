import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import type { WebhookDelivery } from '../../src/protocol/webhooks.ts';
import { lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents } from '../../src/store/events.ts';
import { recordFailure, takeDueDeliveries } from '../../src/store/webhook-deliveries.ts';
import { disableEndpoint, syncEndpoints } from '../../src/store/webhook-endpoints.ts';
import { webhookKey } from '../../src/webhooks/sign.ts';
import { runCli } from '../helpers/cli.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { ended, fromEnv } from '../helpers/webhook-bench.ts';
import { newSecret } from '../helpers/webhook-receiver.ts';

let harness: GatewayHarness;
let service: string;
let sessionId: string;

beforeAll(async () => {
  harness = await openGatewayHarness();
  service = await signToken({ sub: 'backend', roles: ['service'] });
  const url = 'https://crm.example.com/in';
  await syncEndpoints(harness.db, [{ name: 'crm', url, eventTypes: ['turn_end'], tenants: null }], 60_000);
  sessionId = await harness.session();
  await turnEnds();
  const [due] = await takeDueDeliveries(harness.db, { free: new Map([['crm', 1]]), leaseMs: 1_000 });
  const failure = { status: 500, words: 'It answered 500.', retryInMs: null, giveUpMs: 1 };
  if (due) await recordFailure(harness.db, due, failure);
});
afterAll(() => harness.close());

async function turnEnds(): Promise<void> {
  await transaction(harness.db, async (tx) => {
    await lockSession(tx, sessionId);
    await appendEvents(tx, sessionId, [ended()]);
  });
}

const webhooks = (...args: string[]) =>
  runCli(['webhooks', ...args, '--url', harness.http, '--token', service]);

test('endpoints, what is dead, and sending it again, as words and as JSON', async () => {
  expect((await webhooks('list')).out).toMatch(
    /^crm {2}active {2}0 pending, 1 dead\n.*crm\.example\.com\/in {2}turn\.ended\n$/,
  );
  const dead = await webhooks('deliveries', '--status', 'dead');
  expect([dead.code, dead.out]).toEqual([
    0,
    expect.stringMatching(/turn\.ended {2}dead, 1 attempt,.*\n {4}It answered 500\.\n$/),
  ]);
  const { deliveries } = JSON.parse((await webhooks('deliveries', '--json')).out);
  expect(deliveries).toMatchObject([{ status: 'dead', endpoint: 'crm' }]);
  const again = await webhooks('resend', deliveries[0].id);
  expect([again.code, again.out]).toEqual([0, expect.stringContaining('pending')]);
  expect(await webhooks('deliveries', '--status', 'dead')).toMatchObject({
    code: 0,
    out: '',
    err: 'There are none.\n',
  });
  // What comes after it in its session waits for it.
  await turnEnds();
  const [later, earlier] = (await webhooks('deliveries')).out.split('\n');
  expect(later).toMatch(/pending, 0 attempts, waits for an earlier one, written/);
  expect(earlier).toMatch(/pending, 1 attempt, due \d+ s ago, written/);
  const page = JSON.parse((await webhooks('deliveries', '--json')).out).deliveries as WebhookDelivery[];
  expect(page.map(({ waits_for_earlier }) => waits_for_earlier)).toEqual([true, false]);
});

test('an endpoint that answered 410 is enabled by its name', async () => {
  await disableEndpoint(harness.db, { name: 'crm', url: 'https://crm.example.com/in' });
  expect((await webhooks('list')).out).toMatch(/^crm {2}disabled/);
  expect(await webhooks('enable', 'crm')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^crm {2}active/),
  });
  expect(JSON.parse((await webhooks('list', '--json')).out).endpoints).toMatchObject([{ state: 'active' }]);
  expect(await webhooks('enable', 'none')).toMatchObject({
    code: 3,
    err: expect.stringContaining('no such endpoint'),
  });
});

test('refusals are sentences and exit codes', async () => {
  expect(await webhooks('resend', 'none')).toMatchObject({
    code: 3,
    out: '',
    err: expect.stringContaining('no such delivery'),
  });
  const person = await runCli(['webhooks', 'list', '--url', harness.http, '--token', await signToken()]);
  expect(person).toMatchObject({ code: 4, out: '', err: expect.stringContaining('"service"') });
  const stranger = await runCli(['webhooks', 'list', '--url', harness.http, '--token', 'x']);
  expect(stranger).toMatchObject({ code: 4, err: expect.stringContaining('turngate token') });
  const nobody = await runCli(['webhooks', 'list', '--url', 'http://127.0.0.1:1', '--token', 'x']);
  expect(nobody).toMatchObject({ code: 1, err: expect.stringMatching(/^Nothing answers at http/) });
});

test('a new secret is of the form that is asked for', async () => {
  const [one, two] = [await runCli(['webhooks', 'secret']), await runCli(['webhooks', 'secret'])];
  expect(webhookKey(one.out.trim())).toHaveLength(32);
  expect(one.out).not.toBe(two.out);
});

test('a file is checked, with the secrets in the environment, and none is printed', async () => {
  const folder = openFolder('turngate-webhooks-check-');
  try {
    const file = join(folder, 'webhooks.yaml');
    const endpoint = {
      name: 'crm',
      url: 'https://crm.example.com',
      secret: fromEnv('HOOK'),
      events: ['turn.ended'],
    };
    writeFileSync(file, stringify({ endpoints: [endpoint] }));
    const [HOOK] = [newSecret()];
    const good = await runCli(['webhooks', 'check'], '', { TURNGATE_WEBHOOKS: file, HOOK });
    expect(good).toEqual({
      ...{ code: 0, err: '' },
      out: 'crm  https://crm.example.com  1 secret\n    turn.ended; every tenant\n',
    });
    const bad = await runCli(['webhooks', 'check', file], '', { HOOK: 'not-a-secret-of-that-form' });
    expect(bad).toMatchObject({ code: 1, out: '', err: expect.stringContaining('HOOK is no secret') });
    expect(bad.err).not.toContain('not-a-secret-of-that-form');
  } finally {
    removeFolder(folder);
  }
});
