import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { testPolicy } from '../helpers/policy.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';
import { fromEnv } from '../helpers/webhook-bench.ts';
import {
  answer,
  isSignedBy,
  newSecret,
  openReceiver,
  type WebhookReceiver,
} from '../helpers/webhook-receiver.ts';

const secret = newSecret();
/** Carol is asked first, and reminded; then Dave too. Neither takes part before. */
const escalating = `  - id: two-levels
    tool: test.effect
    arguments: { /text: { equals: escalated } }
    decide: ask
    approvers: { users: [carol], requester: false }
    timeout: 8s
    remind_every: 1s
    on_timeout: { escalate: [{ approvers: { users: [dave], requester: false }, timeout: 1h }] }
`;
const folder = mkdtempSync(join(tmpdir(), 'turngate-webhooks-turn-'));
let harness: TurnHarness;
let gateway: GatewayHarness;
let receiver: WebhookReceiver;
const workers = new Set<ChildProcess>();

beforeAll(async () => {
  harness = await openTurnHarness();
  receiver = await openReceiver();
  gateway = await openGatewayHarness({
    beside: { databaseUrl: harness.config.DATABASE_URL },
    timings: { pollMs: 600_000 },
  });
  writeFileSync(harness.env.TURNGATE_POLICY ?? '', testPolicy.replace('rules:\n', `rules:\n${escalating}`));
  const file = join(folder, 'webhooks.yaml');
  const endpoint = { name: 'crm', url: receiver.url, secret: fromEnv('HOOK_SECRET') };
  writeFileSync(file, stringify({ endpoints: [endpoint] }));
  Object.assign(harness.env, {
    TURNGATE_WEBHOOKS: file,
    HOOK_SECRET: secret,
    WEBHOOK_TIMEOUT_MS: '1000',
  });
});
beforeEach(() => {
  receiver.received.length = 0;
  receiver.react(answer(204));
});
afterAll(async () => {
  await Promise.all([...workers].map(kill));
  await gateway.close();
  await harness.close();
  await receiver.down();
  rmSync(folder, { recursive: true });
});

function spawnWorker(): ChildProcess {
  const worker = harness.spawnWorker();
  workers.add(worker);
  return worker;
}

async function kill(worker: ChildProcess): Promise<void> {
  workers.delete(worker);
  if (worker.exitCode !== null || worker.signalCode !== null) return;
  const gone = once(worker, 'exit');
  worker.kill('SIGKILL');
  await gone;
}

const endpointKnown = () =>
  eventually('the endpoint in the store', async () => {
    const { rowCount } = await harness.db.query('select 1 from webhook_endpoints');
    return rowCount === 1;
  });

test('a worker that dies between sending and writing it down is followed by one that sends it again, under the same id', async () => {
  const first = spawnWorker();
  await endpointKnown();
  let killed: Promise<void> | undefined;
  receiver.react((one, response) => {
    // It has been sent, and nobody has written down that it was.
    killed ??= kill(first).then(() => answer(204)(one, response));
  });
  harness.model.script(() => ['hello']);
  const sessionId = await harness.session();
  await harness.say(sessionId, 'go');
  await receiver.count(1, 60_000);
  await killed;
  receiver.react(answer(204));
  const { rows } = await harness.db.query('select status, attempts from webhook_deliveries');
  expect(rows).toEqual([{ status: 'pending', attempts: 1 }]);
  spawnWorker();
  spawnWorker();
  await eventually('the second delivery', async () => {
    const { rows } = await harness.db.query('select status from webhook_deliveries');
    return rows[0]?.status === 'delivered';
  });
  expect(receiver.received.map(({ message }) => message.type)).toEqual(['turn.ended', 'turn.ended']);
  expect(new Set(receiver.ids()).size).toBe(1);
  expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
});

test('a turn with an approval is told in its order, once, by two workers', async () => {
  harness.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? ['ok']
      : [{ toolCall: { name: 'test__effect', arguments: { text: 'told' } } }],
  );
  const sessionId = await harness.session();
  await harness.say(sessionId, 'go');
  const asked = await harness.event(sessionId, 'tool_approval_request');
  await receiver.count(1);
  await harness.decide(sessionId, asked.tool_call_id, true);
  await receiver.count(3, 60_000);
  expect(receiver.received.map(({ message }) => message)).toMatchObject([
    {
      type: 'approval.requested',
      data: {
        tenant: 't',
        session_id: sessionId,
        tool_call_id: asked.tool_call_id,
        arguments: { text: 'told' },
      },
    },
    {
      type: 'approval.resolved',
      data: { tool_call_id: asked.tool_call_id, decision: 'approved', by: 'alice' },
    },
    { type: 'turn.ended', data: { session_id: sessionId, status: 'completed' } },
  ]);
  for (const one of receiver.received) expect(await isSignedBy(secret, one)).toBe(true);
  expect(new Set(receiver.ids()).size).toBe(3);
});

test('who is asked, reminded and asked after them hears of it in feed and by webhook, from workers and their timers [feed-approval]', async () => {
  harness.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? ['ok']
      : [{ toolCall: { name: 'test__effect', arguments: { text: 'escalated' } } }],
  );
  const feedOf = async (sub: string) => gateway.dialFeed({ token: await signToken({ sub }) });
  const [carol, dave] = [await feedOf('carol'), await feedOf('dave')];
  for (const feed of [carol, dave]) await feed.frame('welcome');
  const sessionId = await harness.session();
  await harness.say(sessionId, 'go');
  await carol.frame('tool_approval_request', undefined, 60_000);
  expect(dave.of('tool_approval_request')).toEqual([]);
  await carol.frame('tool_approval_reminder', ({ approvers }) => approvers.join() === 'carol', 30_000);
  const asked = await dave.frame('tool_approval_request', undefined, 30_000);
  expect(asked).toMatchObject({ because: 'escalated', level: 1, approvers: ['carol', 'dave'] });
  const { tool_call_id, arguments_hash, tool_hash, round } = asked;
  dave.send({
    type: 'tool_approval',
    id: 'd',
    tool_call_id,
    approved: true,
    arguments_hash,
    tool_hash,
    round,
  });
  expect(await dave.frame('ack')).toMatchObject({ disposition: 'recorded', decision: { by: 'dave' } });
  await carol.frame('tool_approval_resolved', ({ by }) => by === 'dave');
  expect(await harness.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(harness.effects().filter(({ text }) => text === 'escalated')).toHaveLength(1);
  await eventually('the last webhook', async () => receiver.received.at(-1)?.message.type === 'turn.ended');
  const types = receiver.received.map(({ message }) => message.type);
  expect(types.filter((type, index) => type !== types[index - 1])).toEqual([
    ...['approval.requested', 'approval.reminded', 'approval.requested', 'approval.resolved', 'turn.ended'],
  ]);
  for (const feed of [carol, dave]) expect(feed.breaches).toEqual([]);
});
