import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { respond } from '../helpers/questions.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/* A worker is stopped, as for a new version, in the middle of calls; another takes over. */
let at: TurnHarness;
const folder = mkdtempSync(join(tmpdir(), 'turngate-stops-'));
const effects = join(folder, 'effects');
writeFileSync(effects, '');
const settings = {
  TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
  TURNGATE_POLICY: join(folder, 'policy.yaml'),
};

beforeAll(async () => {
  at = await openTurnHarness();
  const args = [resolve('test/mcp-servers/mute.ts')];
  const mute = { command: process.execPath, args, env: { EFFECTS_FILE: effects } };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: { mute } }));
  const policy = 'trusted_servers: [mute]\nrules:\n  - { id: all, decide: allow }\n';
  writeFileSync(join(folder, 'policy.yaml'), policy);
});
afterAll(async () => {
  await at.close();
  rmSync(folder, { recursive: true });
});

async function goes(tool: string): Promise<{ sessionId: string; toolCallId: string }> {
  const toolCall = { name: `mute__${tool}`, arguments: { answers: 2 } };
  at.model.script(({ messages }) => (messages.at(-1)?.role === 'tool' ? ['ok'] : [{ toolCall }]));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id: toolCallId } = await at.event(sessionId, 'tool_call');
  await eventually(`the effect of ${tool}`, async () => timesOf(toolCallId) === 1);
  return { sessionId, toolCallId };
}

const timesOf = (key: string) =>
  readFileSync(effects, 'utf8')
    .split('\n')
    .filter((line) => line === key).length;

test('what may be sent again is, with the same key; about anything else a person is asked', async () => {
  const first = await at.startWorker(settings);
  const [keyed, plain] = [await goes('keyed'), await goes('plain')];
  const second = at.startWorker(settings);
  await first.close();
  await second;
  expect(await at.event(keyed.sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  expect(timesOf(keyed.toolCallId)).toBe(2);
  const { kind, request_id: requestId } = await at.event(plain.sessionId, 'input_request');
  expect(kind).toBe('unknown_outcome');
  const content = { outcome: 'happened' };
  await respond(at, { sessionId: plain.sessionId, requestId, action: 'accept', content });
  expect(await at.event(plain.sessionId, 'tool_result')).toMatchObject({ status: 'unknown' });
  expect(timesOf(plain.toolCallId)).toBe(1);
});
