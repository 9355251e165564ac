import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { decide } from '../../src/store/decisions.ts';
import { listen } from '../helpers/http-mcp.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/* A server that says what its tool is and is away a moment later, when the call is to be sent; then it comes back. */
let at: TurnHarness;
const folder = mkdtempSync(join(tmpdir(), 'turngate-unsent-'));
let description = 'Rings the bell.';
let leavesAfterList = false;
let calls = 0;

const server = createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  const { id, method } = body === '' ? { id: undefined, method: '' } : JSON.parse(body);
  response.setHeader('connection', 'close');
  if (request.method !== 'POST') return void response.writeHead(405).end();
  if (id === undefined) return void response.writeHead(202).end();
  if (method === 'tools/call') calls += 1;
  if (method === 'tools/list' && leavesAfterList) server.close();
  const serverInfo = { name: 'bell', version: '1.0.0' };
  const greeting = { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo };
  const tools = [{ name: 'ring', description, inputSchema: { type: 'object' } }];
  const results = { initialize: greeting, 'tools/list': { tools } };
  const rung = { content: [{ type: 'text', text: 'rung' }] };
  const result = method in results ? results[method as keyof typeof results] : rung;
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
});

beforeAll(async () => {
  at = await openTurnHarness();
  const url = await listen(server);
  const mcpServers = { bell: { type: 'http', url } };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers }));
  writeFileSync(join(folder, 'policy.yaml'), 'rules:\n  - { id: all, decide: ask }\n');
  await at.startWorker({
    TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
    TURNGATE_POLICY: join(folder, 'policy.yaml'),
  });
});
afterAll(async () => {
  await at.close();
  server.close();
  rmSync(folder, { recursive: true });
});

/** An approved call, at the moment when its server could not be reached any more. */
async function unsent(begunBefore = 0): Promise<{ sessionId: string; toolCallId: string }> {
  const { port } = server.address() as AddressInfo;
  calls = 0;
  at.model.script(({ messages }) =>
    messages.at(-1)?.role === 'tool' ? ['ok'] : [{ toolCall: { name: 'bell__ring', arguments: {} } }],
  );
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id: toolCallId } = await at.event(sessionId, 'tool_approval_request');
  await at.db.query('update tool_calls set attempt = $2 where id = $1', [toolCallId, begunBefore]);
  leavesAfterList = true;
  await at.decide(sessionId, toolCallId, true);
  await eventually('the attempt to be given back', async () => {
    const sql = 'select unsent_attempt from tool_calls where id = $1';
    return (await at.db.query(sql, [toolCallId])).rows[0]?.unsent_attempt === begunBefore + 1;
  });
  leavesAfterList = false;
  const { rows } = await at.db.query(`select from usage u join tool_calls c using (turn_id)
    where u.kind = 'call' and c.id = '${toolCallId}'`);
  expect(rows).toEqual([]);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { sessionId, toolCallId };
}

test('an approved call that its server did not get is sent when the server is back, without asking again', async () => {
  const { sessionId } = await unsent();
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  const types = (await at.events(sessionId)).map(({ type }) => type);
  expect(types.filter((type) => type === 'tool_started')).toHaveLength(2);
  expect(types.filter((type) => type === 'tool_approval_request')).toHaveLength(1);
  expect(types).not.toContain('input_request');
  expect(calls).toBe(1);
});

test('that it was begun often before, because it was let go at questions, does not cost it its decision', async () => {
  const { sessionId } = await unsent(5);
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  expect(calls).toBe(1);
});

test('where the server that is back has another tool of that name, people are asked about that one', async () => {
  const { sessionId, toolCallId } = await unsent();
  description = 'Rings the alarm.';
  const again = await at.event(sessionId, 'tool_approval_request', ({ round }) => round === 2);
  expect(again).toMatchObject({ tool_call_id: toolCallId, because: 'tool_changed' });
  expect(calls).toBe(0);
  const yes = { sessionId, toolCallId, approved: true, decidedBy: 'alice', via: 'http', round: 2 };
  const decided = await decide(at.db, yes);
  const decision = decided.kind === 'recorded' ? decided.decisionId : '';
  await at.turns.approval(sessionId, { tool_call_id: toolCallId, approved: true, decision_id: decision });
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  expect(calls).toBe(1);
});
