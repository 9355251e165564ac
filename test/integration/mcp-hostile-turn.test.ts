import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { decide } from '../../src/store/decisions.ts';
import { listen } from '../helpers/http-mcp.ts';
import { respond } from '../helpers/questions.ts';
import type { ModelCall, Reply } from '../helpers/scripted-model.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';
import { createRedirects } from '../mcp-servers/redirects.ts';

let at: TurnHarness;
const folder = mkdtempSync(join(tmpdir(), 'turngate-hostile-'));
const changed = join(folder, 'changed');
const weather = join(folder, 'weather');
let elsewhere = 0;
const inner = createServer((_, response) => {
  elsewhere += 1;
  response.end();
});

const policy = `
trusted_servers: [test]
rules:
  - { id: weather, tool: changes.*, decide: ask }
  - { id: bare, tool: fail, decide: deny }
  - { id: believed, annotations: { read_only: true }, decide: allow }
  - { id: lies, tool: lies.*, decide: ask }
  - { id: others, tool: "*", decide: allow }
`;

beforeAll(async () => {
  at = await openTurnHarness();
  const to = await listen(inner);
  const redirects = await listen(createRedirects({ to, status: 307, when: 'call' }).unref());
  const hostile = (file: string, env = {}) => ({
    command: process.execPath,
    args: [resolve('test/mcp-servers', file)],
    env,
    turngate: { timeoutMs: 1_500 },
  });
  const mcpServers = {
    test: { command: process.execPath, args: [resolve('test/helpers/test-mcp.ts')] },
    down: hostile('down.ts'),
    slow: hostile('slow.ts'),
    floods: hostile('floods.ts'),
    dies: hostile('dies.ts'),
    babbles: hostile('babbles.ts'),
    lies: hostile('lies.ts', { ELSEWHERE: to }),
    shadows: hostile('shadows.ts'),
    changes: hostile('changes.ts', { CHANGED: changed, EFFECTS_FILE: weather }),
    redirects: { type: 'http', url: redirects },
  };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers, defaultServer: 'test' }));
  writeFileSync(join(folder, 'policy.yaml'), policy);
  await at.startWorker({
    TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
    TURNGATE_POLICY: join(folder, 'policy.yaml'),
  });
});
afterAll(async () => {
  await at.close();
  inner.close();
  rmSync(folder, { recursive: true });
});

const calls =
  (...asked: [name: string, args?: Record<string, unknown>][]) =>
  (request: ModelCall): Reply =>
    request.messages.at(-1)?.role === 'tool'
      ? ['ok']
      : asked.map(([name, args = {}]) => ({ toolCall: { name, arguments: args } }));

async function resultsOf(sessionId: string) {
  const events = await at.events(sessionId);
  const tools = new Map(
    events.flatMap((event) => (event.type === 'tool_call' ? [[event.tool_call_id, event.tool]] : [])),
  );
  return Object.fromEntries(
    events.flatMap((event) => (event.type === 'tool_result' ? [[tools.get(event.tool_call_id), event]] : [])),
  );
}

test.each([
  ['down', 'down__x', 'down.x', 'denied'],
  ['slow', 'slow__never', 'slow.never', 'lost'],
  ['floods with progress', 'floods__progress', 'floods.progress', 'lost'],
  ['floods with one result', 'floods__huge', 'floods.huge', 'lost'],
  ['dies', 'dies__die', 'dies.die', 'lost'],
  ['answers with the wrong id', 'babbles__wrong_id', 'babbles.wrong_id', 'lost'],
  ['has a schema that points elsewhere', 'lies__elsewhere', 'lies.elsewhere', 'denied'],
  ['redirects to an inner address', 'redirects__go', 'redirects.go', 'failed'],
])(
  'a server that is or does this fails that call with tool_error, and the turn goes on: %s',
  async (_, name, tool, fate) => {
    at.model.script(calls([name], ['test__echo', { text: 'beside it' }]));
    const sessionId = await at.session();
    await at.say(sessionId, 'go');
    if (fate === 'lost') {
      // It was sent and may have changed something: the people are asked, here as after any lost result.
      const { request_id: requestId, kind } = await at.event(sessionId, 'input_request');
      expect(kind).toBe('unknown_outcome');
      await respond(at, { sessionId, requestId, action: 'accept', content: { outcome: 'did_not_happen' } });
    }
    expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
    const results = await resultsOf(sessionId);
    expect(results[tool]).toMatchObject({
      status: fate === 'lost' ? 'failed' : fate,
      error: { code: 'tool_error' },
    });
    expect(results['test.echo']).toMatchObject({ status: 'completed' });
    expect(elsewhere).toBe(0);
  },
);

test('a tool that lies about itself is asked about: its server is not trusted', async () => {
  at.model.script(calls(['lies__effect']));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  expect(await at.event(sessionId, 'tool_call')).toMatchObject({
    tool: 'lies.effect',
    gate: 'ask',
    rule: 'lies',
  });
  const asked = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, asked.tool_call_id, false);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
});

test('a tool is called under its own server, a bare name at the default server', async () => {
  at.model.script(calls(['echo', { text: 'bare' }], ['shadows__echo', { text: 'shadow' }]));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  const results = await resultsOf(sessionId);
  expect(JSON.stringify(results['test.echo']?.result)).toContain('"bare"');
  expect(JSON.stringify(results['shadows.echo']?.result)).toContain('shadow of echo');
});

test('a pattern of the policy without a server means the default server', async () => {
  at.model.script(calls(['fail', { message: 'x' }], ['test__fail', { message: 'x' }]));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  const denied = (await at.events(sessionId)).filter((event) => event.type === 'tool_call');
  expect(denied.map((event) => [event.tool, event.rule])).toEqual([
    ['test.fail', 'bare'],
    ['test.fail', 'bare'],
  ]);
});

test('a description that changes after the approval is asked about again, and does not run unasked', async () => {
  at.model.script(calls(['changes__weather']));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const first = await at.event(sessionId, 'tool_approval_request');
  writeFileSync(changed, '');
  await at.decide(sessionId, first.tool_call_id, true);
  const again = await at.event(sessionId, 'tool_approval_request', (event) => event.round === 2);
  expect(again).toMatchObject({ tool_call_id: first.tool_call_id, because: 'tool_changed' });
  const toolCallId = first.tool_call_id;
  const verdict = {
    sessionId,
    toolCallId,
    approved: false,
    decidedBy: 'alice',
    reason: 'no strangers',
    round: 2,
  };
  const decided = await decide(at.db, { ...verdict, via: 'websocket' });
  if (decided.kind !== 'recorded') throw new Error(`The decision was not taken: ${decided.kind}.`);
  const signal = { tool_call_id: toolCallId, approved: false, decision_id: decided.decisionId };
  await at.turns.approval(sessionId, signal);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect((await resultsOf(sessionId))['changes.weather']).toMatchObject({ status: 'rejected' });
  expect(() => rmSync(weather)).toThrow(/ENOENT/);
});
