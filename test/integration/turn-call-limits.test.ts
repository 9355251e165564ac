import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { lockSession, transaction } from '../../src/store/db.ts';
import { passLimits, settleCallLimits } from '../../src/store/limits.ts';
import { answerQuestion } from '../../src/store/questions.ts';
import { answerLimit, limitAsked, writeLimits } from '../helpers/limits.ts';
import type { Reply } from '../helpers/scripted-model.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
let settings: Record<string, string>;
beforeAll(async () => {
  at = await openTurnHarness();
  settings = writeLimits(at, { turn: { tool_calls: 2 } });
  Object.assign(at.env, settings);
});
afterAll(() => at.close());

/** A model that asks for so many harmless calls at once, and then says that it is done. */
const asking =
  (calls: number, seconds = 0) =>
  (request: { messages: { role: string }[] }): Reply =>
    request.messages.at(-1)?.role === 'tool'
      ? ['done']
      : Array.from({ length: calls }, () => ({ toolCall: { name: 'test__slow', arguments: { seconds } } }));

async function begin(calls: number, seconds = 0): Promise<string> {
  at.model.script(asking(calls, seconds));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  return sessionId;
}
const count = async (sessionId: string, type: string) =>
  (await at.events(sessionId)).filter((event) => event.type === type).length;

/** All that may run have run, and the others have been asked about: nothing more happens before an answer. */
async function settled(sessionId: string, results: number, waiting: number) {
  await eventually(`${results} results and ${waiting} calls at the question`, async () => {
    const handle = at.client.workflow.getHandle(`session:${sessionId}`);
    const state = await handle.query<{ gates: { state: string }[] }>('turnState');
    const asking = state.gates.filter((gate) => gate.state === 'asking').length;
    return asking === waiting && (await count(sessionId, 'tool_result')) === results;
  });
  expect(await count(sessionId, 'tool_started')).toBe(results);
}

test('of the calls of one step as many begin as may; the others wait for one answer, and each more is asked for anew', async () => {
  await at.startWorker();
  const sessionId = await begin(7);
  const first = await limitAsked(at, sessionId);
  expect(first.message).toMatch(/limit of 2 tool calls \(2 tool calls so far\)/);
  await settled(sessionId, 2, 5);
  await answerLimit(at, first, 'accept', 3);
  const second = await limitAsked(at, sessionId, 1);
  expect(second.message).toMatch(/\(5 tool calls so far\)/);
  await settled(sessionId, 5, 2);
  await answerLimit(at, second, 'accept', 2);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await count(sessionId, 'input_request')).toBe(2);
  expect(await count(sessionId, 'tool_started')).toBe(7);
});

test('many calls at a question that is answered at once: none waits for ever', async () => {
  for (let round = 0; round < 5; round += 1) {
    const sessionId = await begin(32);
    await answerLimit(at, await limitAsked(at, sessionId), 'accept', 20);
    await answerLimit(at, await limitAsked(at, sessionId, 1), 'accept', 20);
    expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
    expect(await count(sessionId, 'tool_started')).toBe(32);
  }
});

test('a no ends the turn: what waits is cancelled and has not begun', async () => {
  const sessionId = await begin(4);
  await settled(sessionId, 2, 2);
  await answerLimit(at, await limitAsked(at, sessionId), 'decline');
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({
    status: 'cancelled',
    error: { message: 'The turn reached its limit of tool calls, and alice did not let it go on.' },
  });
  const results = (await at.events(sessionId)).flatMap((event) =>
    event.type === 'tool_result' ? [event.status] : [],
  );
  expect(results.toSorted()).toEqual(['cancelled', 'cancelled', 'completed', 'completed']);
  expect(await count(sessionId, 'tool_started')).toBe(2);
  at.model.script(() => 'Hello.');
  const next = await at.say(sessionId, 'and now?');
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === next)).toMatchObject({
    status: 'completed',
  });
});

test('an answer that one call has read is told to the others, also where its signal was lost', async () => {
  const sessionId = await begin(3);
  const asked = await limitAsked(at, sessionId);
  await settled(sessionId, 2, 1);
  // Answered by a gateway that died before it could signal; what reads it first is another call of the turn.
  const answer = { sessionId, requestId: asked.request_id, userId: 'alice', via: 'http' };
  await answerQuestion(at.db, { ...answer, action: 'accept', content: { more: 5 } });
  const limits = { turn: { steps: 25, tool_calls: 2 }, userDay: {}, prices: new Map() };
  await transaction(at.db, async (tx) => {
    await lockSession(tx, sessionId);
    const { rows } = await tx.query('select id, limit_key from turns where session_id = $1', [sessionId]);
    const { id: turnId, limit_key: limitKey } = rows[0];
    const about = { sessionId, turnId, limitKey, limits, userId: 'alice', questionMs: 60_000 };
    const passage = await passLimits(tx, about, ['tool_calls'], { othersWait: true });
    expect(passage.kind).toBe('free');
    await settleCallLimits(tx, { id: 'another', turn_id: turnId });
  });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await count(sessionId, 'tool_started')).toBe(3);
  await eventually('nobody to be told any more', async () => {
    const { rows } = await at.db.query('select acted_at from input_requests where id = $1', [
      asked.request_id,
    ]);
    return rows[0]?.acted_at !== null;
  });
});

test('a call that people have approved is held at the limit, and runs as they approved it', async () => {
  writeLimits(at, { turn: { tool_calls: 1 } });
  at.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? ['done']
      : ['one', 'two'].map((text) => ({
          toolCall: { name: 'test__effect', arguments: { text: `held ${text}` } },
        })),
  );
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const approve = async (text: string) => {
    const request = await at.event(sessionId, 'tool_approval_request', (event) =>
      JSON.stringify(event.arguments).includes(text),
    );
    await at.decide(sessionId, request.tool_call_id, true);
  };
  await approve('one');
  await eventually('the first effect', async () => at.effects().some(({ text }) => text === 'held one'));
  await approve('two');
  const asked = await limitAsked(at, sessionId);
  expect(at.effects().filter(({ text }) => text.startsWith('held'))).toHaveLength(1);
  await answerLimit(at, asked, 'accept', 1);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(at.effects().filter(({ text }) => text.startsWith('held'))).toHaveLength(2);
  expect(await count(sessionId, 'tool_approval_request')).toBe(2);
  writeLimits(at, { turn: { tool_calls: 2 } });
});

test('a worker that is killed while people are asked loses nothing: asked once, counted once', async () => {
  await at.close();
  at = await openTurnHarness();
  Object.assign(at.env, writeLimits(at, { turn: { tool_calls: 2, steps: 1 } }));
  const killed = [at.spawnWorker(), at.spawnWorker()];
  const sessionId = await begin(4);
  const asked = await limitAsked(at, sessionId);
  await settled(sessionId, 2, 2);
  for (const worker of killed) worker.kill('SIGKILL');
  await answerLimit(at, asked, 'accept', 2);
  const other = at.spawnWorker();
  const steps = await limitAsked(at, sessionId, 1);
  expect(steps.message).toMatch(/limit of 1 step \(1 step so far\)/);
  other.kill('SIGKILL');
  await answerLimit(at, steps, 'accept', 1);
  await at.startWorker();
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await count(sessionId, 'input_request')).toBe(2);
  expect(await count(sessionId, 'tool_started')).toBe(4);
  const { rows } = await at.db.query('select count(*)::int as n from usage where kind = $1', ['call']);
  expect(rows[0]?.n).toBe(4);
});
