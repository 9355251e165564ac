import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type InputsPage, inputsPage } from '../../src/protocol/inputs.ts';
import { ackFrame } from '../../src/protocol/live-frames.ts';
import { expireQuestions } from '../../src/store/question-close.ts';
import { endRunningTurn } from '../../src/store/turns.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson, problemIn } from '../helpers/http.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { ask, colourSchema } from '../helpers/questions.ts';
import { SocketIoTestClient } from '../helpers/socket-io-client.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';

let harness: GatewayHarness;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  harness = await openGatewayHarness();
  for (const sub of ['alice', 'max', 'ada', 'vic', 'mallory']) tokens[sub] = await signToken({ sub });
  tokens.foreign = await signToken({ tenant: 'other' });
});
afterAll(() => harness.close());

const http = (user: string, path: string, body?: unknown) =>
  askJson(`${harness.http}${path}`, { token: tokens[user] ?? null, body });
const blue = { action: 'accept', content: { colour: 'blue' } };

async function inbox(user: string, query = ''): Promise<InputsPage> {
  const answer = await http(user, `/v1/inputs${query}`);
  expect(answer.status).toBe(200);
  return inputsPage.parse(answer.body);
}

/** A session of alice's, with others, whose running turn asks something. */
async function asking(timeoutMs?: number) {
  const sessionId = await harness.session();
  await seatParticipants(harness.db, sessionId, { max: 'member', ada: 'approver', vic: 'viewer' });
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('paint it');
  await step.open();
  const call = gatedCall();
  await step.close({ calls: [call] });
  const { toolCallId } = call;
  const question = { sessionId, turnId: step.turnId, toolCallId, ...(timeoutMs ? { timeoutMs } : {}) };
  const { requestId, events } = await ask(harness.db, question);
  step.publish(events);
  return { sessionId, step, toolCallId, question, requestId, path: `/v1/inputs/${requestId}` };
}

test('a question is told to all, answered once over the socket, and told as answered [client-input_response] [ack-input] [event-input_request] [event-input_resolved]', async () => {
  const { sessionId, requestId, toolCallId } = await asking(3_600_000);
  const [alice, ada] = [
    await harness.connect(sessionId),
    await harness.connect(sessionId, { token: tokens.ada ?? null }),
  ];
  const asked = await ada.frame('input_request');
  expect(asked).toMatchObject({
    request_id: requestId,
    kind: 'elicitation',
    tool_call_id: toolCallId,
    message: 'Which colour?',
    schema: colourSchema,
  });
  expect((asked.expires_at ?? 0) - asked.ts).toBeGreaterThan(3_590_000);
  ada.send({ type: 'input_response', id: 'a1', request_id: requestId, ...blue });
  const ack = await ada.frame('ack');
  expect(ack).toMatchObject({
    id: 'a1',
    disposition: 'recorded',
    turn_id: asked.turn_id,
    input: { request_id: requestId, action: 'accept', by: 'ada' },
  });
  const resolved = await alice.frame('input_resolved');
  expect(resolved).toMatchObject({ request_id: requestId, ...blue, by: 'ada', at: ack.input?.at });
  ada.send({ type: 'input_response', id: 'a1', request_id: requestId, ...blue });
  await expect(ada.frame('ack', (frame) => frame !== ack)).resolves.toEqual(ack);
  for (const other of [{ action: 'decline' }, { ...blue, content: { colour: 'red' } }]) {
    const before = alice.of('ack').length;
    alice.send({ type: 'input_response', id: 'b1', request_id: requestId, ...other });
    const late = await alice.frame('ack', (frame) => alice.of('ack').indexOf(frame) >= before);
    expect(late).toEqual({ type: 'ack', id: 'b1', disposition: 'conflict', input: ack.input });
  }
  expect(alice.of('input_resolved')).toHaveLength(1);
  expect([alice.breaches, ada.breaches]).toEqual([[], []]);
});

test('whoever asks with the same key again asks the same question, and gets its answer [input-once]', async () => {
  const { sessionId, requestId, question, path } = await asking();
  const again = await ask(harness.db, question);
  expect(again).toEqual({ requestId, answer: null, events: [] });
  expect((await ask(harness.db, { ...question, key: 'k2' })).requestId).not.toBe(requestId);
  expect((await http('max', path, blue)).status).toBe(200);
  const { answer } = await ask(harness.db, question);
  expect(answer).toMatchObject({ ...blue, by: 'max' });
  const client = await harness.connect(sessionId);
  await client.frame('input_resolved');
  expect(client.of('input_request').map(({ request_id }) => request_id)).toHaveLength(2);
});

test('content that does not fit the schema is refused, and the question stays open [input-content]', async () => {
  const { sessionId, requestId, path } = await asking();
  const client = await harness.connect(sessionId);
  const wrong: [unknown, RegExp][] = [
    [undefined, /content.*colour/],
    [{}, /content.*colour/],
    [{ colour: 'green' }, /content\.colour.*"red","blue"/],
    [{ colour: 'red', size: 1.5 }, /content\.size.*integer/],
    [{ colour: 'red', more: 1 }, /content.*"more"/],
    ['red', /content.*object/],
  ];
  for (const [content, words] of wrong) {
    client.send({ type: 'input_response', id: 'w', request_id: requestId, action: 'accept', content });
    const refused = await client.frame('error', (frame) => words.test(frame.error));
    expect(refused).toMatchObject({ id: 'w', code: 'validation_error' });
    const overHttp = await http('alice', path, { action: 'accept', content });
    expect(problemIn(overHttp)).toEqual([400, 'validation_error']);
    expect(overHttp.body.detail).toMatch(words);
  }
  expect((await inbox('alice')).inputs.map(({ request_id }) => request_id)).toContain(requestId);
  // What is said with a refusal is not kept.
  const declined = await http('alice', path, { action: 'decline', content: { colour: 'green' } });
  expect(declined.body).toMatchObject({ disposition: 'recorded', input: { action: 'decline' } });
  expect(await client.frame('input_resolved')).not.toHaveProperty('content');
});

test('what waits for my answer in all my sessions is listed, with the place of the feed [http-inputs]', async () => {
  const [one, two] = [await asking(), await asking(60_000)];
  for (const user of ['alice', 'max', 'ada']) {
    const page = await inbox(user, '?limit=2');
    expect(page.inputs.map(({ request_id }) => request_id)).toEqual([two.requestId, one.requestId]);
    expect(page.last_seq).toBeGreaterThan(0);
  }
  const [first] = (await inbox('ada')).inputs;
  expect(first).toMatchObject({
    session_id: two.sessionId,
    asked_by: 'alice',
    kind: 'elicitation',
    tool_call_id: two.toolCallId,
    tool: 'office.send_mail',
    schema: colourSchema,
    answer: null,
  });
  expect((first?.expires_at ?? 0) - (first?.requested_at ?? 0)).toBe(60_000);
  for (const user of ['vic', 'mallory', 'foreign']) expect((await inbox(user)).inputs).toEqual([]);
  const rest = await inbox('ada', `?limit=1&before=${two.requestId}`);
  expect(rest.inputs[0]?.request_id).toBe(one.requestId);
  await endRunningTurn(harness.db, { ...one.step, status: 'cancelled' });
  const gone = (await inbox('ada', '?status=resolved')).inputs.find((q) => q.request_id === one.requestId);
  expect(gone?.answer).toMatchObject({ action: 'cancel', by: 'turngate' });
  for (const query of ['?status=all', '?limit=0', '?before=%00']) {
    expect(problemIn(await http('ada', `/v1/inputs${query}`))).toEqual([400, 'validation_error']);
  }
});

test('an answer over HTTP is acked, the same again gets the same, another learns what stands [http-answer]', async () => {
  const { path, requestId } = await asking();
  const answered = await http('ada', path, { id: 'h1', ...blue });
  expect(answered.status).toBe(200);
  expect(ackFrame.parse(answered.body)).toMatchObject({ id: 'h1', disposition: 'recorded' });
  expect((await http('ada', path, { id: 'h1', ...blue })).body).toEqual(answered.body);
  const late = await http('max', path, blue);
  expect(problemIn(late)).toEqual([409, 'conflict']);
  expect(late.body.input).toEqual(answered.body.input);
  const listed = (await inbox('max', '?status=resolved')).inputs.find((q) => q.request_id === requestId);
  expect(listed?.answer).toMatchObject({ ...blue, by: 'ada' });
});

test('who may not decide may not answer, and strangers learn nothing', async () => {
  const { path } = await asking();
  expect(problemIn(await http('vic', path, blue))).toEqual([403, 'forbidden']);
  for (const user of ['mallory', 'foreign']) {
    expect(problemIn(await http(user, path, blue))).toEqual([404, 'not_found']);
  }
  expect(problemIn(await http('ada', `/v1/inputs/${randomUUID()}`, blue))).toEqual([404, 'not_found']);
  for (const body of [{}, { action: 'perhaps' }, { action: 'accept', content: 'a\u0000b' }]) {
    expect(problemIn(await http('ada', path, body))).toEqual([400, 'validation_error']);
  }
  expect((await http('ada', path, { action: 'cancel' })).status).toBe(200);
});

test('a question is in the feeds of those who may answer, and answered there [feed-answer]', async () => {
  const { requestId, sessionId } = await asking();
  const feed = await harness.dialFeed({ token: tokens.ada ?? null });
  const fits = (item: object) => 'request_id' in item && item.request_id === requestId;
  expect(await feed.frame('input_request', fits)).toMatchObject({ session_id: sessionId });
  feed.send({ type: 'input_response', id: 'f1', request_id: requestId, ...blue });
  expect(await feed.frame('ack')).toMatchObject({ id: 'f1', disposition: 'recorded' });
  expect(await feed.frame('input_resolved', fits)).toMatchObject({ ...blue, by: 'ada' });
  feed.send({ type: 'input_response', id: 'f2', request_id: 'none', ...blue });
  expect(await feed.frame('error')).toMatchObject({ id: 'f2', code: 'not_found' });
});

test('a question is asked and answered over Socket.IO [sio-input_response]', async () => {
  const { requestId, sessionId } = await asking();
  const io = new SocketIoTestClient(harness.http, {
    auth: { token: tokens.max, sessions: { [sessionId]: 0 } },
  });
  try {
    expect(await io.event('input_request')).toMatchObject({ request_id: requestId, schema: colourSchema });
    const reply = await io.ask('input_response', { request_id: requestId, session_id: sessionId, ...blue });
    expect(reply).toMatchObject({ disposition: 'recorded', input: { by: 'max' } });
    expect(await io.event('input_resolved')).toMatchObject({ ...blue, by: 'max' });
    expect(io.breaches).toEqual([]);
  } finally {
    io.close();
  }
});

test('when its time is up a question is answered by turngate, and nobody else can any more [input-expired]', async () => {
  const { requestId, sessionId, path, question } = await asking(1);
  const client = await harness.connect(sessionId);
  // Nobody has written yet that its time is up: the answer that comes now finds it out.
  const late = await http('ada', path, blue);
  expect(problemIn(late)).toEqual([409, 'conflict']);
  expect(late.body.input).toMatchObject({ action: 'cancel', by: 'turngate' });
  const resolved = await client.frame('input_resolved');
  expect(resolved).toMatchObject({ request_id: requestId, action: 'cancel', by: 'turngate' });
  expect((await ask(harness.db, question)).answer).toMatchObject({ action: 'cancel', by: 'turngate' });

  const other = await asking(1);
  const [one, two] = await Promise.all([expireQuestions(harness.db, 50), expireQuestions(harness.db, 50)]);
  const done = [...one, ...two].filter((expired) => expired.requestId === other.requestId);
  expect(done.map(({ events }) => events.map(({ frame }) => frame.type))).toEqual([['input_resolved']]);
});

test('the time that people have is that of the session, where it says one', async () => {
  const body = { config: { approval_timeout_ms: 5_000 } };
  const { id: sessionId } = (await http('alice', '/v1/sessions', body)).body;
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('paint it');
  await step.open();
  const { events } = await ask(harness.db, { sessionId, turnId: step.turnId, timeoutMs: 1_000_000 });
  const [asked] = events.map(({ frame }) => frame);
  if (asked?.type !== 'input_request') throw new Error('No question was asked.');
  expect((asked.expires_at ?? 0) - asked.ts).toBeLessThanOrEqual(5_000);
});

test('the end of a turn withdraws its questions, before it says that it ended [input-withdrawn]', async () => {
  const { step, sessionId, requestId, path } = await asking();
  const client = await harness.connect(sessionId);
  await client.frame('input_request');
  const { events } = await endRunningTurn(harness.db, { ...step, status: 'cancelled' });
  step.publish(events);
  await client.frame('turn_end');
  expect(client.of('input_resolved')).toMatchObject([
    { request_id: requestId, action: 'cancel', by: 'turngate' },
  ]);
  expect(problemIn(await http('ada', path, blue))).toEqual([409, 'conflict']);
});

test('while somebody is asked, the agent waits for input [status-waiting_input]', async () => {
  const { step, sessionId, requestId, toolCallId } = await asking();
  const client = await harness.connect(sessionId);
  const status = await client.frame('agent_status');
  expect(status).toMatchObject({ status: 'waiting_input', details: { tool_call_id: toolCallId } });
  client.send({ type: 'input_response', request_id: requestId, action: 'decline' });
  await client.frame('input_resolved');
  const later = await harness.connect(sessionId);
  expect((await later.frame('agent_status')).status).not.toBe('waiting_input');
  await endRunningTurn(harness.db, { ...step, status: 'cancelled' });
});
