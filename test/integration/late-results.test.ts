import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readApproval } from '../../src/store/approvals.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { respond } from '../helpers/questions.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';
import { openWire } from '../helpers/wire.ts';

/* Attempts that are given up while they go on: stopped, frozen, or without their store. */

/** Shorter than a lease: an answer is there before anybody can be asked. */
const toolMs = 3_000;

let at: TurnHarness;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'turngate-late-'));
  at = await openTurnHarness();
  at.model.script(({ messages }) => {
    const last = messages.at(-1);
    if (last?.role === 'tool') return ['ok'];
    const [tool, name] = String(last?.content).split(' ');
    const args = tool?.startsWith('hold')
      ? { file: join(folder, name ?? '') }
      : { text: name, wait_ms: toolMs };
    return [{ toolCall: { name: `test__${tool}`, arguments: args } }];
  });
});
afterAll(async () => {
  await at.close();
  rmSync(folder, { recursive: true });
});

const effectsOf = (name: string) => at.effects().filter(({ text }) => text.endsWith(name));
const typesOf = async (sessionId: string) => (await at.events(sessionId)).map(({ type }) => type);

/** A call that has had its effect and goes on. */
async function running(tool: string, name: string): Promise<string> {
  const sessionId = await at.session();
  await at.say(sessionId, `${tool} ${name}`);
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, tool_call_id, true);
  await eventually('the effect', async () => effectsOf(name).length === 1);
  return sessionId;
}

async function answer(sessionId: string, outcome: string): Promise<void> {
  const { request_id: requestId } = await at.event(sessionId, 'input_request');
  await respond(at, { sessionId, requestId, action: 'accept', content: { outcome } });
}

test('a worker that stops in the middle of a call asks before it goes; what may be repeated is left to the next', async () => {
  const worker = await at.startWorker();
  const sessionId = await running('hold_effect', 'stopped');
  const reading = await at.session();
  await at.say(reading, 'hold reading');
  await eventually('the call of what may be repeated', async () => effectsOf('reading').length === 1);
  await worker.close();
  expect(await typesOf(sessionId)).toContain('input_request');
  const next = await at.startWorker();
  await answer(sessionId, 'happened');
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'unknown' });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(effectsOf('stopped').filter(({ tool }) => tool === 'hold_effect')).toHaveLength(1);
  await at.event(reading, 'tool_started', ({ attempt }) => attempt === 2);
  writeFileSync(join(folder, 'reading'), '');
  expect(await at.event(reading, 'tool_result')).toMatchObject({ status: 'completed' });
  expect(await typesOf(reading)).not.toContain('input_request');
  await next.close();
});

test('what a frozen worker brings after it was given up is kept as evidence, and changes nothing [event-tool_late_result] [tool-late]', async () => {
  // Its connections to Temporal break with it: else some tasks would be given to it, and time out one after another.
  const wire = await openWire(`tcp://${at.config.TEMPORAL_ADDRESS}`);
  const frozen = at.spawnWorker({ TEMPORAL_ADDRESS: new URL(wire.url).host });
  try {
    const [open, ended, again] = [
      await running('effect', 'open'),
      await running('effect', 'ended'),
      await running('effect', 'again'),
    ];
    frozen.kill('SIGSTOP');
    wire.cut();
    const worker = await at.startWorker();
    await at.event(open, 'input_request');
    await at.event(ended, 'input_request');
    await answer(again, 'run_again');
    const second = await at.event(again, 'tool_result');
    const { turnId } = await requestCancel(at.db, { sessionId: ended, userId: 'alice' });
    await at.turns.cancel(ended, turnId);
    await at.event(ended, 'turn_end');
    frozen.kill('SIGCONT');
    for (const sessionId of [open, ended, again]) {
      expect(await at.event(sessionId, 'tool_late_result')).toMatchObject({
        attempt: 1,
        status: 'completed',
        result: { content: [{ type: 'text', text: expect.stringContaining('appended') }] },
        error: null,
      });
    }
    expect((await at.event(ended, 'tool_result')).status).toBe('unknown');
    expect(await typesOf(open)).not.toContain('tool_result');
    const { tool_call_id: toolCallId } = await at.event(open, 'tool_late_result');
    const details = await readApproval(at.db, { toolCallId, tenant: 't', userId: 'alice' });
    expect(details).toMatchObject({ status: 'asking', late_results: [{ attempt: 1, status: 'completed' }] });
    await answer(open, 'happened');
    expect(await at.event(open, 'tool_result')).toMatchObject({ status: 'unknown' });
    expect(await at.event(open, 'turn_end')).toMatchObject({ status: 'completed' });
    // It wrote nothing over what the attempt after it brought, and called nothing again.
    expect(second.status).toBe('completed');
    expect((await at.events(again)).filter(({ type }) => type === 'tool_result')).toEqual([second]);
    const { rows } = await at.db.query('select status, attempt from tool_calls where session_id = $1', [
      again,
    ]);
    expect(rows).toEqual([{ status: 'completed', attempt: 2 }]);
    expect(['open', 'ended', 'again'].map((name) => effectsOf(name).length)).toEqual([1, 1, 2]);
    await worker.close();
  } finally {
    frozen.kill('SIGKILL');
    await wire.close();
  }
});

test('an attempt that hears so late of its lease that it has lapsed sends nothing', async () => {
  const wire = await openWire(at.config.DATABASE_URL);
  try {
    const worker = await at.startWorker({ DATABASE_URL: wire.url });
    // What it writes of its beginning arrives; that it has arrived, it hears when others have taken over.
    wire.holdAnswers('begin-call');
    const sessionId = await at.session();
    await at.say(sessionId, 'effect deaf');
    const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
    await at.decide(sessionId, tool_call_id, true);
    const { request_id: requestId } = await at.event(sessionId, 'input_request');
    wire.release();
    await respond(at, { sessionId, requestId, action: 'accept', content: { outcome: 'run_again' } });
    expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
    await worker.close();
    expect(effectsOf('deaf')).toHaveLength(1);
    expect(await typesOf(sessionId)).not.toContain('tool_late_result');
  } finally {
    await wire.close();
  }
});

test('while the store is away a call may end; one that cannot renew its lease is stopped and asked about', async () => {
  const wire = await openWire(at.config.DATABASE_URL);
  try {
    const worker = await at.startWorker({ DATABASE_URL: wire.url });
    const [quick, long] = [await running('effect', 'quick'), await running('hold_effect', 'long')];
    wire.cut();
    await eventually('the stop of the long one', async () =>
      effectsOf('long').some(({ tool }) => tool === 'cancelled'),
    );
    expect(await typesOf(long)).not.toContain('input_request');
    wire.mend();
    expect(await at.event(quick, 'tool_result')).toMatchObject({ status: 'completed' });
    await answer(long, 'happened');
    expect(await at.event(long, 'turn_end')).toMatchObject({ status: 'completed' });
    expect(await typesOf(quick)).not.toContain('input_request');
    await worker.close();
  } finally {
    await wire.close();
  }
});
