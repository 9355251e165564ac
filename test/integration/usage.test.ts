import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { transaction } from '../../src/store/db.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { recordCall, recordCallEnd, recordStep, sweepUsage } from '../../src/store/usage.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { ask } from '../helpers/questions.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';

let harness: GatewayHarness;
let folder = '';
const file = () => join(folder, 'limits.yaml');

beforeAll(async () => {
  folder = openFolder('turngate-usage-');
  writeFileSync(file(), 'user_day: { tokens: 1000, wall_time: 2h }\n');
  harness = await openGatewayHarness({ config: { TURNGATE_LIMITS: file() } });
});
afterAll(async () => {
  await harness.close();
  removeFolder(folder);
});

const usageOf = async (sub: string, tenant = 't') =>
  (await harness.ask('GET', '/v1/usage', { token: await signToken({ sub, tenant }) })).body;

const spent = { inputTokens: 100, outputTokens: 20, isEstimate: false, cost: 0.5, ms: 1_000 };

async function turnOf(userId: string, tenant?: string) {
  const sessionId = await harness.session(userId, tenant);
  const message = { sessionId, userId, clientMessageId: randomUUID(), content: 'go' };
  return { sessionId, turnId: (await acceptMessage(harness.db, message)).turnId };
}

test('tells what the caller used today, each attempt and call once, and what they may [http-usage]', async () => {
  const { turnId } = await turnOf('ann');
  const other = await turnOf('ann', 'elsewhere');
  const record = (step: number, attempt: number, more = {}) =>
    transaction(harness.db, (tx) =>
      recordStep(tx, { turnId, step, attempt, model: 'm', spent: { ...spent, ...more } }),
    );
  for (const _ of ['once', 'again']) {
    await record(1, 1);
    await record(1, 2, { inputTokens: 1, outputTokens: 0, cost: null });
    await record(2, 1);
    await transaction(harness.db, (tx) => recordCall(tx, { turn_id: turnId, step: 1, ordinal: 1 }));
  }
  await transaction(harness.db, (tx) =>
    recordStep(tx, { turnId: other.turnId, step: 1, attempt: 1, model: 'm', spent }),
  );
  const { day, ends_at, ...rest } = await usageOf('ann');
  expect(new Date(Number(ends_at) - 1).toISOString().slice(0, 10)).toBe(day);
  expect(rest).toEqual({
    used: {
      steps: 2,
      tool_calls: 1,
      tokens: 241,
      input_tokens: 201,
      output_tokens: 40,
      cost: 1,
      unpriced_tokens: 1,
      wall_time_ms: expect.any(Number),
    },
    limits: { turn: { steps: 25 }, user_day: { tokens: 1_000, wall_time_ms: 7_200_000 } },
    allowed: {},
  });
  expect(await usageOf('ann', 'elsewhere')).toMatchObject({ used: { steps: 1, tokens: 120 } });
  expect(await usageOf('bob')).toMatchObject({ used: { steps: 0, tokens: 0, cost: 0, wall_time_ms: 0 } });
});

test('stays used when its session is deleted, and is forgotten after 35 days', async () => {
  const { sessionId, turnId } = await turnOf('dora');
  await transaction(harness.db, (tx) => recordStep(tx, { turnId, step: 1, attempt: 1, model: 'm', spent }));
  await harness.db.query('delete from sessions where id = $1', [sessionId]);
  expect(await usageOf('dora')).toMatchObject({ used: { tokens: 120 } });
  const kept = async () =>
    (await harness.db.query('select 1 from usage where turn_id = $1', [turnId])).rowCount;
  const aged = (days: number) =>
    harness.db.query(`update usage set day = (now() at time zone 'utc')::date - $2::int where turn_id = $1`, [
      turnId,
      days,
    ]);
  await aged(35);
  await sweepUsage(harness.db);
  expect(await kept()).toBe(1);
  expect(await usageOf('dora')).toMatchObject({ used: { tokens: 0 } });
  await aged(36);
  await sweepUsage(harness.db);
  expect(await kept()).toBe(0);
});

test('side by side counts once, and while a call asks people its time stands still', async () => {
  const { sessionId } = await turnOf('tim');
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.open();
  const [call, beside] = [gatedCall(), gatedCall()];
  await step.close({ calls: [call, beside] });
  const { turnId } = step;
  const minutes = (column: string, table: string, ago: number, where: string) =>
    harness.db.query(`update ${table} set ${column} = now() - $1 * interval '1 minute' where ${where}`, [
      ago,
    ]);
  for (const ordinal of [1, 2]) {
    await transaction(harness.db, (tx) => recordCall(tx, { turn_id: turnId, step: 1, ordinal }));
  }
  await harness.db.query(`delete from usage where kind = 'step' and turn_id = $1`, [turnId]);
  // The first runs for ten minutes, for seven of which it asks; the other beside it for the last two.
  await minutes('began_at', 'usage', 10, `turn_id = '${turnId}' and ordinal = 1`);
  await minutes('began_at', 'usage', 2, `turn_id = '${turnId}' and ordinal = 2`);
  const { requestId } = await ask(harness.db, { sessionId, turnId, toolCallId: call.toolCallId });
  await minutes('asked_at', 'input_requests', 9, `id = '${requestId}'`);
  await minutes('answered_at', 'input_requests', 2, `id = '${requestId}'`);
  for (const [index, { toolCallId: id }] of [call, beside].entries()) {
    const place = { id, turn_id: turnId, step: 1, ordinal: index + 1 };
    await transaction(harness.db, (tx) => recordCallEnd(tx, place));
  }
  const { used } = (await usageOf('tim')) as { used: { wall_time_ms: number } };
  expect(Math.round(used.wall_time_ms / 60_000)).toBe(3);
});
