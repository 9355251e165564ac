import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Reply } from '../helpers/scripted-model.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { openWhole, type Whole } from '../helpers/whole.ts';

// What a client sees of whole turns: real gateway, real worker, every frame checked against the JSON Schema.
let at: Whole;
beforeAll(async () => {
  at = await openWhole({ MODEL_MAX_ATTEMPTS: '2', MAX_STEPS: '4' });
});
afterAll(() => at.close());

const call = (name: string, args: Record<string, unknown>) => ({
  toolCall: { name: `test__${name}`, arguments: args },
});
/** Asks for the calls first, and says "ok" once their results are there. */
const askThenOk =
  (...calls: ReturnType<typeof call>[]) =>
  (request: { messages: { role: string }[] }): Reply =>
    request.messages.at(-1)?.role === 'tool' ? ['ok'] : calls;

async function ask(content = 'go', sessionId?: string): Promise<SessionClient> {
  const client = await at.connect(sessionId ?? (await at.session()));
  client.send({ type: 'message', id: 'm', content });
  await client.frame('ack');
  return client;
}

test('a plain turn: welcome, start, stream, end, and the text exactly [live-welcome] [event-turn_started] [event-stream_start] [event-stream_end] [event-turn_end] [live-workflow_progress] [text-offset]', async () => {
  const words = ['Grüße ', '😀😀', ' a', '\u{1F469}\u200D\u{1F4BB}', ' end'];
  at.model.script(() => [{ thought: 'hm' }, ...words]);
  const sessionId = await at.session();
  const client = await at.connect(sessionId);
  expect(client.frames[0]).toEqual({
    type: 'welcome',
    session_id: sessionId,
    connection_id: expect.any(String),
    user: { id: 'alice', email: null, name: null },
    last_seq: 0,
    heartbeat_ms: 30_000,
    protocol: 'turngate.v1',
  });
  client.send({ type: 'message', id: 'm', content: 'go' });
  const { turn_id } = await client.frame('ack');
  const end = await client.frame('turn_end');
  expect(end).toMatchObject({
    turn_id,
    session_id: sessionId,
    status: 'completed',
    usage: expect.any(Object),
  });
  expect(await client.frame('turn_started')).toMatchObject({
    turn_id,
    workflow_id: `session:${sessionId}`,
    run_id: expect.stringMatching(/./),
  });
  const { message_id } = await client.frame('stream_start', ({ attempt }) => attempt === 1);
  expect(await client.frame('workflow_progress')).toEqual({
    type: 'workflow_progress',
    workflow_id: `session:${sessionId}`,
    progress: null,
    step: 1,
  });
  const text = words.join('');
  expect(await client.frame('stream_end')).toMatchObject({
    message_id,
    turn_id,
    content: text,
    thought: 'hm',
    finish_reason: 'stop',
  });
  let length = 0;
  for (const { offset, delta, attempt } of client.of('stream_delta')) {
    expect([offset, attempt]).toEqual([length, 1]);
    expect(delta.isWellFormed()).toBe(true);
    length += delta.length;
  }
  expect(length).toBe(text.length);
  expect(client.frames.flatMap((frame) => ('seq' in frame ? [frame.seq] : []))).toEqual([1, 2, 3, 4, 5]);
  expect(client.breaches).toEqual([]);
});

test('a gated call: asked for, told of, waited for, decided, started, done [event-tool_call] [event-tool_approval_request] [event-tool_started] [event-tool_result] [live-agent_thought]', async () => {
  at.model.script(askThenOk(call('effect', { text: 'one' })));
  const client = await ask();
  const asked = await client.frame('tool_approval_request');
  const { tool_call_id } = asked;
  const told = await client.frame('tool_call');
  expect(told).toMatchObject({
    tool_call_id,
    tool: 'test.effect',
    arguments: { text: 'one' },
    gate: 'ask',
    rule: 'ask-by-default',
    reason: expect.stringContaining('test.effect'),
  });
  expect(asked).toMatchObject({
    tool: 'test.effect',
    arguments: { text: 'one' },
    approvers: ['alice'],
    needed: 1,
  });
  expect(asked.expires_at).toBeGreaterThan(asked.ts);
  expect(asked.seq).toBeGreaterThan(told.seq);
  expect(await client.frame('agent_thought')).toMatchObject({
    turn_id: told.turn_id,
    kind: 'tool_choice',
    content: expect.stringContaining('test.effect: ask, by the rule ask-by-default'),
  });
  await client.frame('agent_status', ({ status }) => status === 'waiting_approval');
  expect(client.of('tool_started')).toEqual([]);
  client.send({
    type: 'tool_approval',
    id: 'd',
    tool_call_id,
    approved: true,
    arguments_hash: asked.arguments_hash,
  });
  expect(await client.frame('tool_approval_resolved')).toMatchObject({
    tool_call_id,
    decision: 'approved',
    by: 'alice',
  });
  expect(await client.frame('tool_started')).toMatchObject({ tool_call_id, attempt: 1 });
  expect(await client.frame('tool_result')).toMatchObject({ tool_call_id, status: 'completed', error: null });
  await client.frame('turn_end', ({ status }) => status === 'completed');
  expect(client.breaches).toEqual([]);
});

test('a gate ends in each of its ways, and its call with it [event-tool_approval_resolved] [event-tool_result]', async () => {
  at.model.script(askThenOk(call('effect', { text: 'never' })));
  const ends = async (client: SessionClient) => {
    const { decision, by } = await client.frame('tool_approval_resolved');
    const { status } = await client.frame('tool_result');
    const { status: turn } = await client.frame('turn_end');
    expect(client.of('tool_started')).toEqual([]);
    expect(client.breaches).toEqual([]);
    return { decision, by, status, turn };
  };
  const rejected = await ask();
  const { tool_call_id } = await rejected.frame('tool_approval_request');
  rejected.send({ type: 'tool_approval', id: 'd', tool_call_id, approved: false, reason: 'no' });
  expect(await ends(rejected)).toEqual({
    decision: 'rejected',
    by: 'alice',
    status: 'rejected',
    turn: 'completed',
  });
  const cancelled = await ask();
  await cancelled.frame('tool_approval_request');
  cancelled.send({ type: 'cancel', id: 'c' });
  expect(await ends(cancelled)).toEqual({
    decision: 'withdrawn',
    by: 'turngate',
    status: 'cancelled',
    turn: 'cancelled',
  });
  const expired = await ask('go', await at.session(1_000));
  await expired.frame('tool_approval_request');
  expect(await ends(expired)).toEqual({
    decision: 'expired',
    by: 'turngate',
    status: 'rejected',
    turn: 'completed',
  });
});

test('an operator decides by signal; what is malformed, or names a decision that is not there, opens nothing [signal-approval] [signal-malformed] [signal-decision_id]', async () => {
  at.model.script(askThenOk(call('effect', { text: 'signalled' })));
  const client = await ask();
  const { tool_call_id } = await client.frame('tool_approval_request');
  const { workflow_id } = await client.frame('turn_started');
  const run = at.client.workflow.getHandle(workflow_id);
  await run.signal('approval', { tool_call_id, approved: 'yes' });
  await run.signal('approval', 'what?');
  await run.signal('approval', { tool_call_id, approved: true, decision_id: 'none' });
  await run.signal('approval', { tool_call_id, approved: false, reason: 'not now' });
  expect(await client.frame('tool_approval_resolved')).toMatchObject({
    tool_call_id,
    decision: 'rejected',
    by: 'operator',
    reason: 'not now',
  });
  expect(await client.frame('tool_result')).toMatchObject({ tool_call_id, status: 'rejected' });
  await client.frame('turn_end', ({ status }) => status === 'completed');
  expect(client.of('tool_started')).toEqual([]);
  expect(client.breaches).toEqual([]);
});

test('a tool says how far it is, and what runs gives a sign at least every 2 s [live-tool_progress] [status-beat]', async () => {
  at.model.script(askThenOk(call('slow', { seconds: 5 })));
  const client = await ask();
  const seen: number[] = [];
  client.socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString('utf8'));
    if (frame.type === 'agent_status' && frame.status === 'running_tool') seen.push(Date.now());
  });
  const { tool_call_id } = await client.frame('tool_call', ({ gate }) => gate === 'allow');
  expect(await client.frame('tool_progress')).toMatchObject({
    tool_call_id,
    progress: expect.any(Number),
    total: 25,
    message: expect.stringMatching(/^\d+ of 25$/),
  });
  await client.frame('tool_result', ({ status }) => status === 'completed');
  await client.frame('turn_end');
  const gaps = seen.slice(1).map((time, index) => time - (seen[index] ?? 0));
  expect(seen.length).toBeGreaterThanOrEqual(3);
  expect(Math.max(...gaps)).toBeLessThan(3_000);
  expect(client.of('agent_status').map(({ status }) => status)).not.toContain('stalled');
  expect(client.breaches).toEqual([]);
});

test('a tool that fails, and one that is denied, say so in their result [error-tool_error]', async () => {
  at.model.script(askThenOk(call('crash', {}), call('fail', { message: 'broken' })));
  const client = await ask();
  const crashing = await client.frame('tool_approval_request');
  client.send({ type: 'tool_approval', id: 'd', tool_call_id: crashing.tool_call_id, approved: true });
  const denied = await client.frame('tool_result', ({ status }) => status === 'denied');
  expect(denied.error).toMatchObject({ code: 'tool_error', message: expect.stringContaining('test.fail') });
  // Its server died in the middle of it, so nobody knows, and people are asked.
  const { kind, request_id } = await client.frame('input_request');
  expect(kind).toBe('unknown_outcome');
  const content = { outcome: 'did_not_happen' };
  client.send({ type: 'input_response', id: 'i', request_id, action: 'accept', content });
  const isOther = ({ tool_call_id }: { tool_call_id: string }) => tool_call_id === crashing.tool_call_id;
  expect(await client.frame('tool_result', isOther)).toMatchObject({
    status: 'failed',
    error: { code: 'tool_error' },
  });
  await client.frame('turn_end');
  expect(client.breaches).toEqual([]);
});

test('a dropped stream is voided, and its next attempt is shown from the start [event-stream_reset]', async () => {
  let n = 0;
  at.model.script(() => {
    n += 1;
    return n === 1 ? ['doubtful words', { drop: true }] : ['good'];
  });
  const client = await ask();
  const { message_id } = await client.frame('stream_start');
  expect(await client.frame('stream_reset')).toMatchObject({ message_id, attempt: 2 });
  expect(await client.frame('stream_end')).toMatchObject({ message_id, content: 'good' });
  await client.frame('turn_end', ({ status }) => status === 'completed');
  expect(client.of('stream_delta').findLast(({ attempt }) => attempt === 2)).toMatchObject({
    offset: 0,
    delta: 'good',
  });
  expect(client.breaches).toEqual([]);
});

test('a model that refuses fails the turn, and voids what it began [error-model_error]', async () => {
  at.model.script(() => ({ status: 401, message: 'no such key' }));
  const client = await ask();
  const end = await client.frame('turn_end');
  expect(end).toMatchObject({
    status: 'failed',
    error: { code: 'model_error', message: expect.any(String) },
  });
  const reset = await client.frame('stream_reset');
  expect(reset.attempt).toBeUndefined();
  expect(reset.seq).toBeLessThan(end.seq);
  expect(client.breaches).toEqual([]);
});

test('a turn that is ended from outside says so [error-processing_error]', async () => {
  at.model.script(() => ['said', { hang: true }]);
  const client = await ask();
  await client.frame('stream_delta');
  const started = await client.frame('turn_started');
  await at.client.workflow.getHandle(started.workflow_id).terminate('a test');
  expect(await client.frame('turn_end', undefined, 30_000)).toMatchObject({
    status: 'failed',
    error: { code: 'processing_error', message: expect.stringContaining('terminated') },
  });
  expect(client.breaches).toEqual([]);
});
