import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { decide } from '../../src/store/decisions.ts';
import { requestCancel } from '../../src/store/turns.ts';
import type { Reply } from '../helpers/scripted-model.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
let worker: Awaited<ReturnType<TurnHarness['startWorker']>>;
beforeAll(async () => {
  at = await openTurnHarness();
  worker = await at.startWorker();
});
afterAll(() => at.close());

const effect = (text: string, wait_ms = 0) => ({
  toolCall: { name: 'test__effect', arguments: { text, wait_ms } },
});
/** Asks for the calls first, and says "ok" once their results are there. */
const askThenOk =
  (...calls: ReturnType<typeof effect>[]) =>
  (request: { messages: { role: string }[] }): Reply =>
    request.messages.at(-1)?.role === 'tool' ? ['ok'] : calls;
const effectsOf = (text: string) => at.effects().filter((done) => done.text === text);

test('a rejected call does not run, and the model hears the reason', async () => {
  at.model.script(askThenOk(effect('rejected')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const asked = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, asked.tool_call_id, false, 'too risky');
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({
    decision: 'rejected',
    by: 'alice',
    reason: 'too risky',
  });
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'rejected' });
  expect(effectsOf('rejected')).toEqual([]);
  const heard = at.model.requests.at(-1)?.messages.at(-1);
  expect(JSON.stringify(heard)).toContain('too risky');
});

test('a gate that nobody answers expires after its time, as rejected', async () => {
  at.model.script(askThenOk(effect('expired')));
  const sessionId = await at.session(2_000);
  await at.say(sessionId, 'go');
  const asked = await at.event(sessionId, 'tool_approval_request');
  // From the moment of the proposal; the event is written a little later.
  expect(asked.expires_at).toBeGreaterThan(asked.ts);
  expect(asked.expires_at - asked.ts).toBeLessThanOrEqual(2_000);
  expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({
    decision: 'expired',
    by: 'turngate',
  });
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'rejected' });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(effectsOf('expired')).toEqual([]);
});

test('the durable timer of a gate is seven days long by default', async () => {
  at.model.script(askThenOk(effect('week')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  await at.event(sessionId, 'tool_approval_request');
  const handle = at.client.workflow.getHandle(sessionWorkflowId(sessionId));
  const timer = await eventually('the timer', async () => {
    const { events } = await handle.fetchHistory();
    return events?.find((event) => event.timerStartedEventAttributes)?.timerStartedEventAttributes;
  });
  expect(Number(timer.startToFireTimeout?.seconds)).toBe(7 * 24 * 3600);
  const cancelled = await requestCancel(at.db, { sessionId, userId: 'alice' });
  await at.turns.cancel(sessionId, cancelled.turnId);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'cancelled' });
  expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({ decision: 'withdrawn' });
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'cancelled' });
});

test('a look at a gate finds a deadline that its run has not heard of', async () => {
  at.model.script(askThenOk(effect('unheard')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  // As where people were asked by an attempt whose worker died before it could say so.
  await at.db.query(`update tool_calls set expires_at = now() + interval '2 seconds' where id = $1`, [
    tool_call_id,
  ]);
  await at.turns.approval(sessionId, { tool_call_id, approved: true, decision_id: 'of-nobody' });
  expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({ decision: 'expired' });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(effectsOf('unheard')).toEqual([]);
});

test('two gates of one step wait side by side and are answered in reverse order', async () => {
  at.model.script(askThenOk(effect('first'), effect('second')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const second = await at.event(
    sessionId,
    'tool_approval_request',
    (event) => (event.arguments as { text: string }).text === 'second',
  );
  const first = await at.event(
    sessionId,
    'tool_approval_request',
    (event) => (event.arguments as { text: string }).text === 'first',
  );
  await at.decide(sessionId, second.tool_call_id, true);
  await at.event(sessionId, 'tool_result', (event) => event.tool_call_id === second.tool_call_id);
  expect(effectsOf('first')).toEqual([]);
  await at.decide(sessionId, first.tool_call_id, true);
  await at.event(sessionId, 'turn_end');
  expect([effectsOf('first').length, effectsOf('second').length]).toEqual([1, 1]);
});

test('what a trusted server calls read-only runs at once; what is denied by name never runs', async () => {
  at.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? ['ok']
      : [
          { toolCall: { name: 'test__slow', arguments: { seconds: 0 } } },
          { toolCall: { name: 'test__fail', arguments: {} } },
          { toolCall: { name: 'test__nonsense', arguments: {} } },
          { toolCall: { name: 'test__effect', arguments: '{"text": broken' } },
        ],
  );
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  await at.event(sessionId, 'turn_end');
  const events = await at.events(sessionId);
  const calls = events.flatMap((event) => (event.type === 'tool_call' ? [event] : []));
  expect(calls.map((call) => [call.tool, call.gate, call.rule])).toEqual([
    ['test.slow', 'allow', 'trusted-read-only'],
    ['test.fail', 'deny', 'never-fail'],
    ['test.nonsense', 'deny', 'unknown-tool'],
    ['test.effect', 'deny', 'invalid-arguments'],
  ]);
  const results = new Map(
    events.flatMap((event) => (event.type === 'tool_result' ? [[event.tool_call_id, event.status]] : [])),
  );
  expect(calls.map((call) => results.get(call.tool_call_id))).toEqual([
    'completed',
    'denied',
    'denied',
    'failed',
  ]);
  expect(events.some((event) => event.type === 'tool_approval_request')).toBe(false);
});

test('the first decision stands: the same again gets the same answer, another gets a conflict', async () => {
  at.model.script(askThenOk(effect('once')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id: toolCallId, arguments_hash: argumentsHash } = await at.event(
    sessionId,
    'tool_approval_request',
  );
  const verdict = { sessionId, toolCallId, decidedBy: 'alice', via: 'websocket' };
  await expect(decide(at.db, { ...verdict, approved: true, argumentsHash: 'other' })).rejects.toMatchObject({
    code: 'conflict',
  });
  const [one, two] = await Promise.all([
    decide(at.db, { ...verdict, approved: true, argumentsHash }),
    decide(at.db, { ...verdict, approved: true }),
  ]);
  if (one.kind !== 'recorded' || two.kind !== 'recorded') throw new Error('Both are recorded.');
  expect(one.decision).toEqual(two.decision);
  await expect(decide(at.db, { ...verdict, decidedBy: 'bob', approved: false })).rejects.toMatchObject({
    code: 'forbidden',
  });
  await at.db.query(`insert into participants (session_id, user_id, role) values ($1, 'bob', 'approver')`, [
    sessionId,
  ]);
  const other = await decide(at.db, { ...verdict, decidedBy: 'bob', approved: false });
  expect(other).toEqual({ kind: 'conflict', decision: one.decision });
  await expect(decide(at.db, { ...verdict, toolCallId: 'none', approved: true })).rejects.toMatchObject({
    code: 'not_found',
  });
  // No signal was sent: the reconciler finds the row.
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(effectsOf('once')).toHaveLength(1);
});

test('an operator approves by signal; malformed signals are recorded and change nothing [signal-malformed]', async () => {
  at.model.script(askThenOk(effect('operator')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  const handle = at.client.workflow.getHandle(sessionWorkflowId(sessionId));
  await handle.signal('approval', 'yes');
  await handle.signal('approval', { tool_call_id, approved: 'true' });
  await handle.signal('approval');
  await handle.signal('aproval', { tool_call_id, approved: true });
  await handle.signal('approval', { tool_call_id: 'unknown', approved: true });
  await at.client.workflowService.signalWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: sessionWorkflowId(sessionId) },
    signalName: 'approval',
    input: {
      payloads: [{ metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('{"tool_') }],
    },
  });
  await at.client.workflowService.signalWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: sessionWorkflowId(sessionId) },
    signalName: 'approval',
    input: { payloads: [{ metadata: { encoding: Buffer.from('binary/odd') }, data: Buffer.from('??') }] },
  });
  await eventually('six recorded signals', async () => {
    const { rows } = await at.db.query('select count(*) as n from rejected_signals where session_id = $1', [
      sessionId,
    ]);
    return rows[0].n === 6;
  });
  expect(effectsOf('operator')).toEqual([]);
  await handle.signal('approval', { tool_call_id, approved: true, reason: 'looked at it' });
  expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({
    decision: 'approved',
    by: 'operator',
    reason: 'looked at it',
  });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(effectsOf('operator')).toHaveLength(1);
});

test("an operator's word that a decision overtakes is recorded as ignored", async () => {
  at.model.script(askThenOk(effect('overtaken')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await worker.close();
  // Nobody looks between the two.
  const handle = at.client.workflow.getHandle(sessionWorkflowId(sessionId));
  await handle.signal('approval', { tool_call_id, approved: false });
  await at.decide(sessionId, tool_call_id, true);
  worker = await at.startWorker();
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(effectsOf('overtaken')).toHaveLength(1);
  const { rows } = await at.db.query('select problem from rejected_signals where session_id = $1', [
    sessionId,
  ]);
  expect(rows).toEqual([{ problem: expect.stringContaining('Another decision about this call') }]);
});
