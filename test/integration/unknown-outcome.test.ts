import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { requestCancel } from '../../src/store/turns.ts';
import { respond } from '../helpers/questions.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/*
 * One worker is killed between the effects of many calls and their results; each test looks at what becomes of one.
 */
const names = [
  'happened',
  'did_not_happen',
  'run_again',
  'declined',
  'expired',
  'cancelled',
  'untold',
  'keyed',
];
const expiryMs = 25_000;

let at: TurnHarness;
let folder: string;
const sessions = new Map<string, string>();
const leases = new Map<string, number>();

const file = (name: string) => join(folder, name);
const sessionOf = (name: string) => sessions.get(name) ?? '';
const effectsOf = (name: string) => at.effects().filter((done) => done.text === file(name));
const asked = (name: string) => at.event(sessionOf(name), 'input_request');
const resultOf = (name: string) => at.event(sessionOf(name), 'tool_result');

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'turngate-lost-'));
  at = await openTurnHarness();
  at.model.script(({ messages }) => {
    const last = messages.at(-1);
    if (last?.role === 'tool') return ['ok'];
    const name = String(last?.content);
    const tool = name === 'keyed' ? 'effect_idempotent' : 'hold_effect';
    const args = tool === 'hold_effect' ? { file: file(name) } : { text: file(name), wait_ms: 3_000 };
    return [{ toolCall: { name: `test__${tool}`, arguments: args } }];
  });
  const worker = at.spawnWorker();
  for (const name of names) {
    const sessionId = await at.session(name === 'expired' ? expiryMs : undefined);
    sessions.set(name, sessionId);
    await at.say(sessionId, name);
  }
  for (const [name, sessionId] of sessions) {
    const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
    await at.decide(sessionId, tool_call_id, true);
    await eventually(`the effect of ${name}`, async () => effectsOf(name).length === 1);
  }
  worker.kill('SIGKILL');
  const { rows } = await at.db.query<{ session_id: string; lease_until: number }>(
    'select session_id, lease_until from tool_calls',
  );
  for (const row of rows) leases.set(row.session_id, row.lease_until);
  await at.startWorker();
}, 60_000);

afterAll(async () => {
  await at.close();
  rmSync(folder, { recursive: true });
});

/** What the model read as the result of the call. */
async function heardBy(name: string): Promise<string> {
  await at.event(sessionOf(name), 'turn_end');
  const request = at.model.requests.findLast(({ messages }) =>
    messages.some(({ role, content }) => role === 'user' && content === name),
  );
  const said = request?.messages.at(-1);
  expect(said?.role).toBe('tool');
  expect(at.model.refused).toEqual([]);
  return String(said?.content);
}

test('a person is asked what became of a call whose result was lost, when nothing of it can be running [input-unknown_outcome]', async () => {
  const { request_id, ...question } = await asked('happened');
  expect(question).toMatchObject({
    kind: 'unknown_outcome',
    message: expect.stringContaining('test.hold_effect'),
  });
  expect(question.ts).toBeGreaterThanOrEqual(leases.get(sessionOf('happened')) ?? Number.NaN);
  const started = (await at.events(sessionOf('happened'))).filter(({ type }) => type === 'tool_started');
  expect(started).toHaveLength(1);
  const answer = { sessionId: sessionOf('happened'), requestId: request_id, action: 'accept' as const };
  await expect(respond(at, { ...answer, content: { outcome: 'perhaps' } })).rejects.toMatchObject({
    code: 'validation_error',
  });
  // Twice, as a double click sends it.
  const content = { outcome: 'happened' };
  const [one, two] = await Promise.all([
    respond(at, { ...answer, content }),
    respond(at, { ...answer, content }),
  ]);
  expect(one.input).toEqual(two.input);
  expect(await resultOf('happened')).toMatchObject({
    status: 'unknown',
    result: { outcome: 'happened', by: 'alice' },
    error: null,
  });
  expect(await heardBy('happened')).toMatch(/did take effect, says alice/);
  expect(effectsOf('happened')).toHaveLength(1);
});

test('who looked and saw nothing says so, and the model may mend it', async () => {
  const { request_id: requestId } = await asked('did_not_happen');
  const content = { outcome: 'did_not_happen' };
  await respond(at, { sessionId: sessionOf('did_not_happen'), requestId, action: 'accept', content });
  expect(await resultOf('did_not_happen')).toMatchObject({
    status: 'failed',
    result: { ...content, by: 'alice' },
    error: { code: 'tool_error' },
  });
  expect(await heardBy('did_not_happen')).toMatch(/did not take effect, says alice/);
});

test('it is sent again when a person says so who could approve it, with the same key', async () => {
  const { request_id: requestId, tool_call_id: toolCallId } = await asked('run_again');
  const again = { sessionId: sessionOf('run_again'), requestId, action: 'accept' } as const;
  const terms = async (change: object) => {
    const level = { approvers: { users: [], roles: ['owner'], requester: true }, needed: 1, ...change };
    await at.db.query(`update tool_calls set terms = jsonb_set(terms, '{levels}', $2) where id = $1`, [
      toolCallId,
      JSON.stringify([{ timeoutMs: null, remindEveryMs: null, ...level }]),
    ]);
  };
  for (const change of [{ needed: 2 }, { approvers: { users: [], roles: ['owner'], requester: false } }]) {
    await terms(change);
    const refused = respond(at, { ...again, content: { outcome: 'run_again' } });
    await expect(refused).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('anew'),
    });
  }
  await terms({});
  writeFileSync(file('run_again'), '');
  const content = { outcome: 'run_again' };
  await respond(at, { sessionId: sessionOf('run_again'), requestId, action: 'accept', content });
  expect(await resultOf('run_again')).toMatchObject({ status: 'completed' });
  const [first, second, ...more] = effectsOf('run_again');
  expect(more).toEqual([]);
  expect(first?.tool_call_id).not.toBeNull();
  expect(second?.tool_call_id).toBe(first?.tool_call_id);
  const events = await at.events(sessionOf('run_again'));
  expect(events.flatMap((event) => (event.type === 'tool_started' ? [event.attempt] : []))).toEqual([1, 2]);
  expect(events.find(({ type }) => type === 'input_resolved')).toMatchObject({ content, by: 'alice' });
});

test('whoever declines to say leaves it unknown, and it is not sent again', async () => {
  const { request_id: requestId } = await asked('declined');
  await respond(at, { sessionId: sessionOf('declined'), requestId, action: 'decline' });
  expect(await resultOf('declined')).toMatchObject({ status: 'unknown', result: null });
  expect(await heardBy('declined')).toMatch(/may or may not have happened/);
  expect(effectsOf('declined')).toHaveLength(1);
});

test('an answer of which nobody was told, because the gateway died after it, is found', async () => {
  const { request_id: requestId } = await asked('untold');
  const answer = { sessionId: sessionOf('untold'), requestId, action: 'cancel' as const };
  await respond(at, answer, { isTold: false });
  expect(await resultOf('untold')).toMatchObject({ status: 'unknown' });
  const { rows } = await at.db.query('select acted_at from input_requests where id = $1', [requestId]);
  expect(rows[0]?.acted_at).not.toBeNull();
});

test('a turn that is cancelled while the question is open withdraws it, and the call stays unknown', async () => {
  const sessionId = sessionOf('cancelled');
  await asked('cancelled');
  const { turnId } = await requestCancel(at.db, { sessionId, userId: 'alice' });
  await at.turns.cancel(sessionId, turnId);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'cancelled' });
  expect(await at.event(sessionId, 'input_resolved')).toMatchObject({ action: 'cancel', by: 'turngate' });
  expect(await resultOf('cancelled')).toMatchObject({ status: 'unknown' });
});

test('a question that nobody answers leaves the call unknown when its time is up', async () => {
  const { ts, expires_at = 0 } = await asked('expired');
  expect(expires_at - ts).toBeLessThanOrEqual(expiryMs);
  expect(await at.event(sessionOf('expired'), 'input_resolved')).toMatchObject({
    action: 'cancel',
    by: 'turngate',
  });
  expect(await resultOf('expired')).toMatchObject({ status: 'unknown' });
  expect(await heardBy('expired')).toMatch(/may or may not have happened/);
});

test('a tool that is known as idempotent is called again with the same key, and nobody is asked', async () => {
  expect(await resultOf('keyed')).toMatchObject({ status: 'completed' });
  const keys = effectsOf('keyed').map(({ tool_call_id }) => tool_call_id);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBe(keys[1]);
  expect((await at.events(sessionOf('keyed'))).some(({ type }) => type === 'input_request')).toBe(false);
});
