import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { decide } from '../../src/store/decisions.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { fromSetup } from '../helpers/database.ts';
import { answerLimit, limitAsked, writeLimits } from '../helpers/limits.ts';
import type { Reply } from '../helpers/scripted-model.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/*
 * Each way a turn can go, lived through on real parts. `npm run record` writes the histories that are missing;
 * replay.test.ts replays the recorded ones against today's workflow code.
 */
const recording = process.env.RECORD_HISTORIES === '1';
const folder = fileURLToPath(new URL('./histories/', import.meta.url));

let at: TurnHarness;
beforeAll(async () => {
  const careful = { file: '../mcp-servers/asking.ts', turngate: { elicits: true, asksFirst: true } };
  at = await openTurnHarness({ servers: { careful } });
});
afterAll(() => at.close());

const askThenOk =
  (tool: string, args: Record<string, unknown>) =>
  (request: { messages: { role: string }[] }): Reply =>
    request.messages.at(-1)?.role === 'tool' ? ['ok'] : [{ toolCall: { name: tool, arguments: args } }];

/** The history of the run that worked on a turn, as `temporal workflow show` gives it to an operator. */
async function historyOf(sessionId: string, turnId: string): Promise<History> {
  const { run_id: runId } = await at.event(sessionId, 'turn_started', (event) => event.turn_id === turnId);
  const workflowId = sessionWorkflowId(sessionId);
  const handle = at.client.workflow.getHandle(workflowId, runId);
  await eventually('the end of the run', async () => (await handle.describe()).status.name !== 'RUNNING');
  const where = ['--address', at.config.TEMPORAL_ADDRESS, '--workflow-id', workflowId, '--run-id', runId];
  const shown = execFileSync(
    fromSetup('TURNGATE_TEST_TEMPORAL_BIN'),
    ['workflow', 'show', '--output', 'json', ...where],
    { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  return JSON.parse(shown);
}

interface History {
  events: { eventType: string }[];
}

async function finish(name: string, sessionId: string, turnId: string, status = 'completed') {
  const end = await at.event(sessionId, 'turn_end', (event) => event.turn_id === turnId);
  expect(end.status).toBe(status);
  const history = await historyOf(sessionId, turnId);
  const file = `${folder}${name}.json`;
  // One that is there already is of runs that may still be open.
  if (recording && !existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, `${JSON.stringify(history, withoutIdentity, 1)}\n`);
  }
  return history.events;
}

/** Names of processes and machines have no place in the repository; those of sticky task queues are made of them. */
function withoutIdentity(key: string, value: unknown): unknown {
  const isOne = key === 'identity' || (key === 'name' && /^\d+@/.test(String(value)));
  return isOne ? 'recorded' : value;
}

/** Replaces the rule that asks. */
function policy(terms: string): void {
  const { TURNGATE_POLICY: file = '' } = at.env;
  writeFileSync(
    file,
    `trusted_servers: [test]
rules:
  - { id: trusted-read-only, annotations: { read_only: true }, decide: allow }
  - { id: ask, decide: ask, ${terms} }
`,
  );
}

describe('with a worker in this process', () => {
  let worker: Awaited<ReturnType<TurnHarness['startWorker']>>;
  beforeAll(async () => {
    worker = await at.startWorker();
  });
  afterAll(() => worker.close());

  test('plain: as many events for 2,000 tokens as for 200, and at most twelve', async () => {
    const lengths: number[] = [];
    for (const tokens of [200, 2_000]) {
      at.model.script(() => Array.from({ length: tokens }, (_, n) => `token${n} `));
      const sessionId = await at.session();
      const turnId = await at.say(sessionId, 'go');
      lengths.push((await finish('plain', sessionId, turnId)).length);
    }
    expect(lengths[0]).toBe(lengths[1]);
    expect(lengths[0]).toBeLessThanOrEqual(12);
  });

  test('allowed', async () => {
    at.model.script(askThenOk('test__slow', { seconds: 0 }));
    const sessionId = await at.session();
    await finish('allowed', sessionId, await at.say(sessionId, 'go'));
  });

  test.each([
    ['approved', true],
    ['rejected', false],
  ])('%s', async (name, approved) => {
    at.model.script(askThenOk('test__effect', { text: name }));
    const sessionId = await at.session();
    const turnId = await at.say(sessionId, 'go');
    const asked = await at.event(sessionId, 'tool_approval_request');
    await at.decide(sessionId, asked.tool_call_id, approved);
    await finish(name, sessionId, turnId);
  });

  test.each([
    ['approved-quick', 0],
    ['approved-slow', 2_000],
  ])('%s: that it waits no more is listed with the next task, or a second later', async (name, waitMs) => {
    at.model.script(askThenOk('test__effect', { text: name, wait_ms: waitMs }));
    const sessionId = await at.session();
    const turnId = await at.say(sessionId, 'go');
    const asked = await at.event(sessionId, 'tool_approval_request');
    await at.decide(sessionId, asked.tool_call_id, true);
    const events = await finish(name, sessionId, turnId);
    if (waitMs > 0) expect(events.map(({ eventType }) => eventType)).toContain('EVENT_TYPE_TIMER_FIRED');
  });

  test('expired', async () => {
    at.model.script(askThenOk('test__effect', { text: 'expired' }));
    const sessionId = await at.session(1_000);
    await finish('expired', sessionId, await at.say(sessionId, 'go'));
  });

  test('reminded, escalated and expired: one timer after the other', async () => {
    policy(
      'timeout: 2s, remind_every: 1s, on_timeout: { escalate: [{ approvers: { roles: [owner] }, timeout: 1s }] }',
    );
    at.model.script(askThenOk('test__effect', { text: 'escalated' }));
    const sessionId = await at.session();
    await finish('escalated', sessionId, await at.say(sessionId, 'go'));
    expect(await at.event(sessionId, 'tool_approval_reminder')).toMatchObject({ number: 1 });
    expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({ decision: 'expired' });
  });

  test('asked again, because the rule changed before it ran', async () => {
    policy('remember: always');
    at.model.script(askThenOk('test__effect', { text: 'again' }));
    const sessionId = await at.session();
    const turnId = await at.say(sessionId, 'go');
    const asked = await at.event(sessionId, 'tool_approval_request');
    policy('approvers: { roles: [owner] }');
    await at.decide(sessionId, asked.tool_call_id, true);
    const again = await at.event(sessionId, 'tool_approval_request', ({ round }) => round === 2);
    expect(again.because).toBe('rule_changed');
    const { kind } = await decide(at.db, {
      sessionId,
      toolCallId: asked.tool_call_id,
      approved: true,
      decidedBy: 'alice',
      via: 'websocket',
      round: 2,
    });
    expect(kind).toBe('recorded');
    await finish('asked-again', sessionId, turnId);
    expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  });

  test('voted, and signalled by operators to no avail: the gate is looked at, and what nobody took is told at the end', async () => {
    policy('remember: always');
    at.model.script(askThenOk('test__effect', { text: 'voted' }));
    const sessionId = await at.session();
    const turnId = await at.say(sessionId, 'go');
    const asked = await at.event(sessionId, 'tool_approval_request');
    await at.turns.approval(sessionId, { tool_call_id: asked.tool_call_id, approved: true, vote: true });
    await at.turns.approval(sessionId, { tool_call_id: 'nobody waits', approved: true });
    const { workflow_id: workflowId, run_id: runId } = await at.event(sessionId, 'turn_started');
    await eventually('the look', async () => {
      const { events } = await at.client.workflow.getHandle(workflowId, runId).fetchHistory();
      const scheduled = events?.flatMap((event) => event.activityTaskScheduledEventAttributes ?? []);
      return scheduled?.some((activity) => activity.activityType?.name === 'tendGate');
    });
    await at.decide(sessionId, asked.tool_call_id, true);
    await finish('voted', sessionId, turnId);
    const sql = 'select problem from rejected_signals where session_id = $1';
    const { rows } = await at.db.query(sql, [sessionId]);
    expect(rows).toEqual([{ problem: 'No call with this id waited for an approval then.' }]);
  });

  test('cancelled, while a gate waits', async () => {
    at.model.script(askThenOk('test__effect', { text: 'cancelled' }));
    const sessionId = await at.session();
    const turnId = await at.say(sessionId, 'go');
    await at.event(sessionId, 'tool_approval_request');
    await requestCancel(at.db, { sessionId, userId: 'alice' });
    await at.turns.cancel(sessionId, turnId);
    await finish('cancelled', sessionId, turnId, 'cancelled');
  });

  test('interrupted, while the model streams: the run continues as new to the message that stopped it', async () => {
    const held = Promise.withResolvers<void>();
    at.model.script((_request, n) => (n === first ? ['so far', { until: held.promise }] : ['ok']));
    const first = at.model.requests.length + 1;
    const sessionId = await at.session();
    const stopped = await at.say(sessionId, 'one');
    await eventually('the request', async () => at.model.requests.length >= first);
    const second = await at.say(sessionId, 'two', 'interrupt');
    const events = await finish('interrupted', sessionId, stopped, 'cancelled');
    expect(events.at(-1)?.eventType).toMatch(/CONTINUED_AS_NEW/);
    held.resolve();
    await at.event(sessionId, 'turn_end', (event) => event.turn_id === second);
  });

  test('interrupted, while a tool runs', async () => {
    at.model.script((request) =>
      request.messages.at(-1)?.content === 'one'
        ? [{ toolCall: { name: 'test__slow', arguments: { seconds: 60 } } }]
        : ['ok'],
    );
    const sessionId = await at.session();
    const stopped = await at.say(sessionId, 'one');
    await at.event(sessionId, 'tool_started');
    const second = await at.say(sessionId, 'two', 'rollback');
    await finish('interrupted-tool', sessionId, stopped, 'cancelled');
    await at.event(sessionId, 'turn_end', (event) => event.turn_id === second);
  });

  test('steered: a step without calls is followed by another', async () => {
    const held = Promise.withResolvers<void>();
    at.model.script((_request, n) => (n === first ? ['so far', { until: held.promise }] : ['ok']));
    const first = at.model.requests.length + 1;
    const sessionId = await at.session();
    const turnId = await at.say(sessionId, 'one');
    await eventually('the request', async () => at.model.requests.length >= first);
    expect(await at.say(sessionId, 'two', 'steer')).toBe(turnId);
    held.resolve();
    await finish('steered', sessionId, turnId);
    expect(at.model.requests.length).toBe(first + 1);
  });

  test('queued: the first run continues as new to the second turn', async () => {
    const held = Promise.withResolvers<void>();
    at.model.script(async function* () {
      await held.promise;
      yield 'ok';
    });
    const sessionId = await at.session();
    const first = await at.say(sessionId, 'one');
    await at.event(sessionId, 'stream_start');
    const second = await at.say(sessionId, 'two');
    held.resolve();
    const events = await finish('queued', sessionId, first);
    expect(events.at(-1)?.eventType).toMatch(/CONTINUED_AS_NEW/);
    await finish('queued-second', sessionId, second);
  });
});

test('a limit asks: the same step is run again once it is answered', async () => {
  const worker = await at.startWorker({ MAX_STEPS: '1' });
  at.model.script(askThenOk('test__echo', { text: 'limit' }));
  const sessionId = await at.session();
  const turnId = await at.say(sessionId, 'go');
  const { request_id: requestId } = await at.event(sessionId, 'input_request');
  const answer = { action: 'accept', content: { more: 5 } } as const;
  await answerQuestion(at.db, { sessionId, requestId, userId: 'alice', via: 'http', ...answer });
  await at.turns.input(sessionId, { request_id: requestId });
  await finish('limit', sessionId, turnId);
  await worker.close();
});

test('a limit of calls asks: several wait for one answer, and one for the next', async () => {
  const worker = await at.startWorker(writeLimits(at, { turn: { tool_calls: 1 } }));
  const call = { toolCall: { name: 'test__echo', arguments: { text: 'limited' } } };
  at.model.script(({ messages }) => (messages.at(-1)?.role === 'tool' ? ['ok'] : [call, call, call]));
  const sessionId = await at.session();
  const turnId = await at.say(sessionId, 'go');
  await answerLimit(at, await limitAsked(at, sessionId), 'accept', 1);
  await answerLimit(at, await limitAsked(at, sessionId, 1), 'decline');
  await finish('limit-calls', sessionId, turnId, 'cancelled');
  await worker.close();
});

test('a call with an unknown outcome asks, and ends as somebody says', async () => {
  at.model.script(askThenOk('test__effect', { text: 'lost', wait_ms: 60_000 }));
  const sessionId = await at.session();
  const turnId = await at.say(sessionId, 'go');
  const killed = at.spawnWorker();
  const asked = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, asked.tool_call_id, true);
  await eventually('the effect', async () => at.effects().some(({ text }) => text === 'lost'));
  killed.kill('SIGKILL');
  const worker = await at.startWorker();
  const { request_id: requestId, kind } = await at.event(sessionId, 'input_request');
  expect(kind).toBe('unknown_outcome');
  const answer = { action: 'accept', content: { outcome: 'happened' } } as const;
  await answerQuestion(at.db, { sessionId, requestId, userId: 'alice', via: 'http', ...answer });
  await at.turns.input(sessionId, { request_id: requestId });
  await finish('unknown-outcome', sessionId, turnId);
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'unknown' });
  await worker.close();
});

test('a call that stands at a question is let go, and made again when somebody has answered', async () => {
  const worker = await at.startWorker({ ELICITATION_HOLD_MS: '1000' });
  at.model.script(askThenOk('careful__book', { text: 'let go' }));
  const sessionId = await at.session();
  const turnId = await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, tool_call_id, true);
  const { request_id: requestId, kind } = await at.event(sessionId, 'input_request');
  expect(kind).toBe('elicitation');
  await eventually('the call let go', async () => {
    const { rows } = await at.db.query('select status from tool_calls where id = $1', [tool_call_id]);
    return rows[0]?.status === 'ready';
  });
  const answer = { action: 'accept', content: { name: 'Bob', seats: 2 } } as const;
  await answerQuestion(at.db, { sessionId, requestId, userId: 'alice', via: 'http', ...answer });
  await at.turns.input(sessionId, { request_id: requestId });
  await finish('let-go', sessionId, turnId);
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  expect(await at.event(sessionId, 'tool_started', ({ attempt }) => attempt === 2)).toBeDefined();
  await worker.close();
});

test('worker killed in the middle of a step', async () => {
  at.model.script((_request, n) => (n === first ? ['half', { hang: true }] : ['whole']));
  const first = at.model.requests.length + 1;
  const sessionId = await at.session();
  const turnId = await at.say(sessionId, 'go');
  const killed = at.spawnWorker();
  await eventually('the first attempt', async () => at.model.requests.length >= first);
  killed.kill('SIGKILL');
  const worker = await at.startWorker();
  await finish('worker-killed', sessionId, turnId);
  expect(await at.event(sessionId, 'stream_reset')).toMatchObject({ attempt: 2 });
  expect(await at.event(sessionId, 'stream_end')).toMatchObject({ content: 'whole' });
  await worker.close();
});
