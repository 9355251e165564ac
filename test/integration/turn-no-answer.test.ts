import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { requestCancel } from '../../src/store/turns.ts';
import { respond } from '../helpers/questions.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/* A trusted server has its effect and does not say so: what may be sent again is, and nobody is told what nobody knows. */
let at: TurnHarness;
const folder = mkdtempSync(join(tmpdir(), 'turngate-mute-'));
const effects = join(folder, 'effects');

beforeAll(async () => {
  at = await openTurnHarness();
  const mute = {
    command: process.execPath,
    args: [resolve('test/mcp-servers/mute.ts')],
    env: { EFFECTS_FILE: effects },
    turngate: { timeoutMs: 700 },
  };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: { mute } }));
  const policy = 'trusted_servers: [mute]\nrules:\n  - { id: all, decide: allow }\n';
  writeFileSync(join(folder, 'policy.yaml'), policy);
  await at.startWorker({
    TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
    TURNGATE_POLICY: join(folder, 'policy.yaml'),
  });
});
beforeEach(() => writeFileSync(effects, ''));
afterAll(async () => {
  await at.close();
  rmSync(folder, { recursive: true });
});

async function goes(tool: 'keyed' | 'reads', answers: number): Promise<string> {
  const toolCall = { name: `mute__${tool}`, arguments: { answers } };
  at.model.script(({ messages }) => (messages.at(-1)?.role === 'tool' ? ['ok'] : [{ toolCall }]));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  return sessionId;
}

const keys = () => readFileSync(effects, 'utf8').split('\n').filter(Boolean);

test('what is idempotent and gets no answer is sent again with the same key, until there is one', async () => {
  const sessionId = await goes('keyed', 3);
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  const { tool_call_id: id } = await at.event(sessionId, 'tool_call');
  expect(keys()).toEqual([id, id, id]);
});

test('what had its effect and never got an answer is not said to have failed: a person is asked', async () => {
  const sessionId = await goes('keyed', 0);
  const { kind, request_id: requestId } = await at.event(sessionId, 'input_request');
  expect(kind).toBe('unknown_outcome');
  expect(keys()).toHaveLength(3);
  await respond(at, { sessionId, requestId, action: 'accept', content: { outcome: 'happened' } });
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'unknown' });
  expect(keys()).toHaveLength(3);
});

test('what is cancelled while it has its effect is unknown, idempotent or not [busy-unknown]', async () => {
  const sessionId = await goes('keyed', 0);
  await eventually('the effect', async () => keys().length > 0);
  await requestCancel(at.db, { sessionId, userId: 'alice' });
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'unknown' });
});

test('what is read-only and gets no answer has failed, and the model may ask again', async () => {
  const sessionId = await goes('reads', 0);
  const error = { code: 'tool_error', message: expect.stringMatching(/gave no answer within 700 ms/) };
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'failed', error });
  expect(keys()).toHaveLength(1);
});
