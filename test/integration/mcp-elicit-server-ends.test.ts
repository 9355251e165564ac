import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { respond } from '../helpers/questions.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';
import { until } from '../helpers/until.ts';

const file = '../mcp-servers/elicits.ts';
const folder = mkdtempSync(join(tmpdir(), 'turngate-ends-'));
let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness({
    servers: { careful: { file, turngate: { elicits: true, asksFirst: true } } },
  });
  await at.startWorker();
});
afterAll(async () => {
  await at.close();
  rmSync(folder, { recursive: true });
});

test('a server that ends while people are asked, before it did anything, costs nothing: the answer is for its next start', async () => {
  at.model.script(({ messages }) =>
    messages.at(-1)?.role === 'tool'
      ? ['ok']
      : [{ toolCall: { name: 'careful__die_while_asking', arguments: { died: join(folder, 'died') } } }],
  );
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await at.decide(sessionId, tool_call_id, true);
  const { request_id: requestId } = await at.event(sessionId, 'input_request');
  await until(async () => {
    const { rows } = await at.db.query('select status from tool_calls where id = $1', [tool_call_id]);
    return rows[0]?.status === 'ready';
  });
  await respond(at, { sessionId, requestId, action: 'accept', content: { place: 'here' } });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  const { result } = await at.event(sessionId, 'tool_result', ({ status }) => status === 'completed');
  expect(JSON.stringify(result)).toContain('here');
  const events = await at.events(sessionId);
  expect(events.filter(({ type }) => type === 'input_request')).toHaveLength(1);
});
