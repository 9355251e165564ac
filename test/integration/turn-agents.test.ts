import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createSession } from '../../src/store/sessions.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker({ MODEL_MAX_ATTEMPTS: '2' });
});
afterAll(() => at.close());

const file = (name: string) => join(at.config.TURNGATE_AGENTS_DIR, `${name}.yaml`);
const write = (name: string, more: string) =>
  writeFileSync(file(name), `name: ${name}\ninstructions: You are ${name}.\n${more}`);
const sessionOf = async (agent: string) =>
  (await createSession(at.db, { tenant: 't', userId: 'alice', agent })).id;

async function ask(sessionId: string) {
  const turnId = await at.say(sessionId, 'hello');
  const end = await at.event(sessionId, 'turn_end', (event) => event.turn_id === turnId);
  const request = at.model.requests.at(-1);
  const { temperature, max_completion_tokens } = (request?.raw ?? {}) as Record<string, unknown>;
  const tools = (request?.tools ?? []).map((tool) => tool.function.name);
  return { end, request, told: { model: request?.model, temperature, max_completion_tokens, tools } };
}

test('each session has its agent: instructions, model, how it is asked, and of the tools only its own', async () => {
  write('reader', 'model: small\ntemperature: 0\nmax_output_tokens: 77\ntools: [test.slow, "test.no_*"]\n');
  at.model.script(() => 'Hello.');
  const reader = await ask(await sessionOf('reader'));
  expect(reader.end.status).toBe('completed');
  expect(reader.told).toEqual({
    model: 'small',
    temperature: 0,
    max_completion_tokens: 77,
    tools: ['test__slow'],
  });
  expect(reader.request?.messages[0]).toMatchObject({ role: 'system', content: 'You are reader.' });
  const usual = await ask(await at.session());
  expect(usual.told).toMatchObject({ model: 'test', temperature: undefined });
  expect(usual.told.tools.length).toBeGreaterThan(1);
});

test('a tool that is not the agent’s is refused, whatever the model asks for', async () => {
  write('reader', 'model: small\ntools: [test.slow]\n');
  at.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? 'ok'
      : [{ toolCall: { name: 'test__effect', arguments: { text: 'no' } } }],
  );
  const sessionId = await sessionOf('reader');
  expect((await ask(sessionId)).end.status).toBe('completed');
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'denied' });
  expect(at.effects().filter(({ text }) => text === 'no')).toEqual([]);
});

test('a change of its file counts from the next step on, without a restart', async () => {
  write('changing', 'model: first\n');
  at.model.script(() => 'Hello.');
  const sessionId = await sessionOf('changing');
  expect((await ask(sessionId)).told.model).toBe('first');
  write('changing', 'model: second\n');
  expect((await ask(sessionId)).told.model).toBe('second');
});

test('a session whose agent is gone fails in words that say so; with the file back it goes on', async () => {
  write('leaving', 'model: m\n');
  at.model.script(() => 'Hello.');
  const sessionId = await sessionOf('leaving');
  expect((await ask(sessionId)).end.status).toBe('completed');
  rmSync(file('leaving'));
  const { end } = await ask(sessionId);
  expect(end).toMatchObject({ status: 'failed', error: { code: 'processing_error' } });
  expect(end.error?.message).toContain('There is no agent "leaving"');
  expect(end.error?.message).not.toContain(at.config.TURNGATE_AGENTS_DIR);
  write('leaving', 'model: m\n');
  expect((await ask(sessionId)).end.status).toBe('completed');
});
