import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
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
const folder = mkdtempSync(join(tmpdir(), 'turngate-webhooks-turn-'));
let harness: TurnHarness;
let receiver: WebhookReceiver;
const workers = new Set<ChildProcess>();

beforeAll(async () => {
  harness = await openTurnHarness();
  receiver = await openReceiver();
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
