import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { InputAction } from '../../src/protocol/frame-parts.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { respond } from '../helpers/questions.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/* `asking` may have acted when it asks; `careful` is the same server, of which is said that it asks first. */
const file = '../mcp-servers/asking.ts';
const holdMs = '1000';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness({
    servers: {
      asking: { file, turngate: { elicits: true } },
      careful: { file, turngate: { elicits: true, asksFirst: true } },
    },
  });
  at.model.script(({ messages }) => {
    const last = messages.at(-1);
    if (last?.role === 'tool') return ['ok'];
    const [tool = '', text] = String(last?.content).split(' ');
    return [{ toolCall: { name: tool.replace('.', '__'), arguments: { text } } }];
  });
});
afterAll(() => at.close());

const seat = { name: 'Bob', mail: 'bob@example.com', seats: 2, price: 9.5, window: true, colour: 'red' };
const effectsOf = (text: string) => at.effects().filter((done) => done.text === text);

/** A call of a tool that asks, approved and under way. Answers its session. */
async function calling(tool: string, text: string): Promise<string> {
  const sessionId = await at.session();
  await seatParticipants(at.db, sessionId, { ada: 'approver' });
  await at.say(sessionId, `${tool} ${text}`);
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, tool_call_id, true);
  return sessionId;
}

async function answer(sessionId: string, requestId: string, action: InputAction, content?: object) {
  const said = content === undefined ? {} : { content: content as Record<string, string> };
  return respond(at, { sessionId, requestId, userId: 'ada', action, ...said });
}

async function textOf(sessionId: string): Promise<string> {
  const { result } = await at.event(sessionId, 'tool_result', ({ status }) => status === 'completed');
  return (result as { content: { text: string }[] }).content[0]?.text ?? '';
}

async function attemptsOf(sessionId: string): Promise<number[]> {
  const events = await at.events(sessionId);
  return events.flatMap((event) => (event.type === 'tool_started' ? [event.attempt] : []));
}

test('what a tool asks is answered by an approver, with every kind of field, and nothing else is taken [input-elicitation]', async () => {
  const worker = await at.startWorker();
  const sessionId = await calling('asking.book', 'fields');
  const asked = await at.event(sessionId, 'input_request');
  expect(asked).toMatchObject({
    kind: 'elicitation',
    message: 'Who sits where? (fields)',
    schema: { type: 'object', required: ['name', 'seats'] },
  });
  const wrong = [
    {},
    { ...seat, name: 'B' },
    { ...seat, mail: 'nobody' },
    { ...seat, seats: 5 },
    { ...seat, seats: 1.5 },
    { ...seat, price: '9' },
    { ...seat, window: 'yes' },
    { ...seat, colour: 'green' },
    { ...seat, more: 1 },
  ];
  for (const content of wrong) {
    await expect(answer(sessionId, asked.request_id, 'accept', content)).rejects.toMatchObject({
      code: 'validation_error',
    });
  }
  await answer(sessionId, asked.request_id, 'accept', seat);
  expect(JSON.parse(await textOf(sessionId))).toEqual({ action: 'accept', content: seat });
  expect(await at.event(sessionId, 'input_resolved')).toMatchObject({ by: 'ada', content: seat });
  expect(effectsOf('fields')).toHaveLength(1);

  const declined = await calling('asking.book', 'declined');
  await answer(declined, (await at.event(declined, 'input_request')).request_id, 'decline');
  expect(JSON.parse(await textOf(declined))).toEqual({ action: 'decline' });
  expect(effectsOf('declined')).toEqual([]);

  const twice = await calling('asking.twice', 'twice');
  const first = await at.event(twice, 'input_request');
  await answer(twice, first.request_id, 'accept', seat);
  const second = await at.event(twice, 'input_request', ({ request_id }) => request_id !== first.request_id);
  await answer(twice, second.request_id, 'accept', { ...seat, name: 'Eve' });
  expect(JSON.parse(await textOf(twice))).toEqual(['Bob', 'Eve']);
  await worker.close();
});

test('a question that its server takes back is withdrawn, and so is that of a turn that is cancelled', async () => {
  const worker = await at.startWorker();
  const impatient = await calling('asking.impatient', 'x');
  await at.event(impatient, 'input_request');
  expect(await at.event(impatient, 'input_resolved')).toMatchObject({ action: 'cancel', by: 'turngate' });
  expect(await textOf(impatient)).toBe('nobody answered');

  const cancelled = await calling('asking.book', 'cancelled');
  await at.event(cancelled, 'input_request');
  const { turnId } = await requestCancel(at.db, { sessionId: cancelled, userId: 'alice' });
  await at.turns.cancel(cancelled, turnId);
  expect(await at.event(cancelled, 'turn_end')).toMatchObject({ status: 'cancelled' });
  expect(await at.event(cancelled, 'input_resolved')).toMatchObject({ action: 'cancel', by: 'turngate' });
  expect(effectsOf('cancelled')).toEqual([]);
  await worker.close();
});

test('a call whose server asks first is let go, holds no worker, and is made again when somebody answers', async () => {
  const worker = await at.startWorker({ ELICITATION_HOLD_MS: holdMs });
  const sessionId = await calling('careful.book', 'held');
  const { request_id } = await at.event(sessionId, 'input_request');
  await eventually('the call let go', async () => {
    const { rows } = await at.db.query('select status from tool_calls where session_id = $1', [sessionId]);
    return rows[0]?.status === 'ready';
  });
  // Days may pass now, and every worker may be gone.
  await worker.close();
  await answer(sessionId, request_id, 'accept', seat);
  const next = await at.startWorker();
  expect(JSON.parse(await textOf(sessionId))).toEqual({ action: 'accept', content: seat });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await attemptsOf(sessionId)).toEqual([1, 2]);
  expect(effectsOf('held')).toHaveLength(1);
  const questions = (await at.events(sessionId)).filter(({ type }) => type === 'input_request');
  expect(questions).toHaveLength(1);
  await next.close();
});

test('the answer of a call that was let go is found when nobody was told of it', async () => {
  const worker = await at.startWorker({ ELICITATION_HOLD_MS: holdMs });
  const sessionId = await calling('careful.book', 'untold');
  const { request_id: requestId } = await at.event(sessionId, 'input_request');
  await eventually('the call let go', async () => {
    const { rows } = await at.db.query('select status from tool_calls where session_id = $1', [sessionId]);
    return rows[0]?.status === 'ready';
  });
  await respond(at, { sessionId, requestId, action: 'accept', content: seat }, { isTold: false });
  expect(JSON.parse(await textOf(sessionId))).toEqual({ action: 'accept', content: seat });
  await worker.close();
});

test('a worker that is killed while people are asked loses nothing where the server asks first; else they are asked what became of it', async () => {
  const worker = at.spawnWorker();
  const [careful, asking] = [
    await calling('careful.book', 'careful'),
    await calling('asking.act_first', 'acted'),
  ];
  const held = await at.event(careful, 'input_request');
  const lost = await at.event(asking, 'input_request');
  worker.kill('SIGKILL');
  // Answered while nobody works at it.
  await answer(careful, held.request_id, 'accept', seat);
  await answer(asking, lost.request_id, 'accept', seat);
  const next = await at.startWorker();
  expect(JSON.parse(await textOf(careful))).toEqual({ action: 'accept', content: seat });
  expect(effectsOf('careful')).toHaveLength(1);
  const unknown = await at.event(asking, 'input_request', ({ kind }) => kind === 'unknown_outcome');
  expect(effectsOf('acted')).toHaveLength(1);
  // Made again, it has the answer that was given.
  await answer(asking, unknown.request_id, 'accept', { outcome: 'run_again' });
  expect(JSON.parse(await textOf(asking))).toEqual({ action: 'accept', content: seat });
  expect(effectsOf('acted')).toHaveLength(2);
  await next.close();
});
