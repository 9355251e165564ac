import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { MessagesPage, SessionView } from '../../src/protocol/http.ts';
import { type DevRun, startDev, stopDev } from '../helpers/dev.ts';
import { until } from '../helpers/gateway.ts';
import { testPolicy } from '../helpers/policy.ts';
import {
  type ModelCall,
  type Piece,
  type ScriptedModel,
  startScriptedModel,
} from '../helpers/scripted-model.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { WireClient } from '../helpers/wire-client.ts';

const testMcp = fileURLToPath(new URL('../helpers/test-mcp.ts', import.meta.url));
const words = Array.from({ length: 40 }, (_, n) => `word${n} `);

let folder: string;
let run: DevRun;
let model: ScriptedModel;
const clients: WireClient[] = [];

/** "stream" is answered slowly, "<tool> <json>" by that call and then "done". */
function* answer(request: ModelCall): Iterable<Piece> {
  const last = request.messages.at(-1);
  const asked = String(request.messages.findLast((message) => message.role === 'user')?.content);
  if (last?.role === 'tool') {
    yield 'done';
  } else if (asked === 'stream') {
    for (const word of words) {
      yield word;
      yield { delayMs: 50 };
    }
  } else {
    const space = asked.indexOf(' ');
    yield { toolCall: { name: `test__${asked.slice(0, space)}`, arguments: asked.slice(space + 1) } };
  }
}

beforeAll(async () => {
  folder = openFolder('turngate-kills-');
  model = await startScriptedModel(answer);
  writeFileSync(join(folder, 'effects.jsonl'), '', { mode: 0o666 });
  const servers = {
    test: {
      command: process.execPath,
      args: [testMcp],
      env: { EFFECTS_FILE: join(folder, 'effects.jsonl') },
    },
  };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: servers }));
  writeFileSync(join(folder, 'default.yaml'), 'name: default\ninstructions: Be brief.\nmodel: test\n');
  writeFileSync(join(folder, 'policy.yaml'), testPolicy);
  run = await startDev({
    folder,
    env: {
      OPENAI_API_KEY: 'test',
      OPENAI_BASE_URL: model.url,
      TURNGATE_AGENTS_DIR: folder,
      TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
      TURNGATE_POLICY: join(folder, 'policy.yaml'),
    },
  });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await stopDev(run);
  await model.close();
  removeFolder(folder);
});

async function api<T>(path: string, init: RequestInit = {}): Promise<T> {
  const { http, token } = run.info();
  const response = await fetch(`${http}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

async function openClient(): Promise<{ id: string; client: WireClient }> {
  const { id } = await api<SessionView>('/v1/sessions', { method: 'POST', body: '{}' });
  const { ws, token } = run.info();
  const client = new WireClient(() => ({ url: `${ws}/v1/sessions/${id}/ws`, token }));
  clients.push(client);
  return { id, client };
}

/** Kills by pid and waits until the supervisor has brought each back and the gateway is ready. */
async function kill(roles: string[]): Promise<void> {
  const before = run.info().processes;
  for (const role of roles) process.kill(Number(before[role]), 'SIGKILL');
  await until(() => roles.every((role) => run.info().processes[role] !== before[role]), 30_000);
  expectOthersAlive(before, roles);
  await until(async () => {
    const ready = await fetch(`${run.info().http}/readyz`).catch(() => null);
    return ready?.status === 200;
  }, 30_000);
}

/** A part that dies of another's death would be brought back by the supervisor, and nobody would notice. */
function expectOthersAlive(before: Record<string, number>, killed: string[]): void {
  const others = Object.entries(before).filter(([role]) => !killed.includes(role));
  const now = run.info().processes;
  expect(others.filter(([role, pid]) => now[role] !== pid)).toEqual([]);
}

const effectsOf = (callId: string) =>
  readFileSync(join(folder, 'effects.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes(callId)).length;

async function storedAnswers(sessionId: string): Promise<string[]> {
  const page = await api<MessagesPage>(`/v1/sessions/${sessionId}/messages`);
  return page.messages.filter((message) => message.role === 'assistant').map((message) => message.content);
}

describe.each([
  ['worker', ['worker']],
  ['gateway', ['gateway']],
  ['Temporal', ['temporal']],
  ['Postgres', ['postgres']],
  ['all four', ['worker', 'gateway', 'temporal', 'postgres']],
])('kill -9 of %s', (_name, roles) => {
  test('in the middle of a stream, and while an approval is pending', async () => {
    const streaming = await openClient();
    const pending = await openClient();
    pending.client.send({ type: 'message', id: 'm', content: 'effect {"text": "pending"}' });
    const asked = await pending.client.event('tool_approval_request');
    streaming.client.send({ type: 'message', id: 'm', content: 'stream' });
    await until(() => streaming.client.deltas.length >= 5);

    const before = run.info().processes;
    await kill(roles);

    pending.client.send({
      type: 'tool_approval',
      id: 'a',
      tool_call_id: asked.tool_call_id,
      approved: true,
    });
    expect(await pending.client.event('turn_end', undefined, 60_000)).toMatchObject({ status: 'completed' });
    expect(await streaming.client.event('turn_end', undefined, 60_000)).toMatchObject({
      status: 'completed',
    });

    expectOthersAlive(before, roles);
    expect(streaming.client.faults).toEqual([]);
    expect(pending.client.faults).toEqual([]);
    expect(streaming.client.lastText).toBe(words.join(''));
    expect(await storedAnswers(streaming.id)).toEqual([words.join('')]);
    expect(await storedAnswers(pending.id)).toEqual(['', 'done']);
    expect(effectsOf(asked.tool_call_id)).toBe(1);
  });
});

test('a tool that a killed worker was running: read-only runs again; about anything else a person is asked, and it does not [tool-unknown]', async () => {
  const reading = await openClient();
  const writing = await openClient();
  reading.client.send({ type: 'message', id: 'm', content: 'slow {"seconds": 4}' });
  writing.client.send({ type: 'message', id: 'm', content: 'effect {"text": "once", "wait_ms": 60000}' });
  const asked = await writing.client.event('tool_approval_request');
  writing.client.send({ type: 'tool_approval', id: 'a', tool_call_id: asked.tool_call_id, approved: true });
  await reading.client.event('tool_started');
  await until(() => effectsOf(asked.tool_call_id) === 1);

  await kill(['worker']);

  expect(await reading.client.event('tool_started', (event) => event.attempt === 2)).toBeDefined();
  expect(await reading.client.event('tool_result')).toMatchObject({ status: 'completed' });
  const { request_id } = await writing.client.event('input_request');
  writing.client.send({ type: 'input_response', id: 'q', request_id, action: 'decline' });
  expect(await writing.client.event('tool_result')).toMatchObject({ status: 'unknown' });
  expect(await writing.client.event('turn_end')).toMatchObject({ status: 'completed' });
  expect(effectsOf(asked.tool_call_id)).toBe(1);
  const statuses = reading.client.statuses.map((status) => status.status);
  expect(statuses.indexOf('stalled')).toBeGreaterThan(-1);
  expect(statuses.indexOf('retrying')).toBeGreaterThan(statuses.indexOf('stalled'));
});

test('a tool of 20 s shows a sign of life at least eight times, why it may run, and how far it is', async () => {
  const { client } = await openClient();
  client.send({ type: 'message', id: 'm', content: 'slow {"seconds": 20}' });
  // `turngate dev` tells developers how it went.
  const { debug } = await client.event('turn_end', undefined, 40_000);
  expect(debug).toMatchObject({ model: 'test', attempts: 2, rules: ['trusted-read-only'] });
  expect((await fetch(String(debug?.run_link))).status).toBe(200);
  expect(client.statuses.filter((status) => status.status === 'running_tool').length).toBeGreaterThanOrEqual(
    8,
  );
  const { notices } = client;
  const thoughts = notices.flatMap((frame) => (frame.type === 'agent_thought' ? [frame.content] : []));
  expect(thoughts).toEqual([expect.stringContaining('test.slow: allow, by the rule trusted-read-only')]);
  const steps = notices.flatMap((frame) => (frame.type === 'workflow_progress' ? [frame.step] : []));
  expect(steps).toEqual([1, 2]);
  expect(notices.filter((frame) => frame.type === 'tool_progress').length).toBeGreaterThan(10);
});
