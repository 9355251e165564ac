import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson } from '../helpers/http.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let turns: TurnHarness;
let gateway: GatewayHarness;

beforeAll(async () => {
  turns = await openTurnHarness();
  await turns.startWorker();
  gateway = await openGatewayHarness({
    beside: { databaseUrl: turns.config.DATABASE_URL },
    // What comes at all comes by the worker's announcement.
    timings: { pollMs: 600_000 },
  });
});
afterAll(async () => {
  await gateway.close();
  await turns.close();
});

test('what a turn asks of a worker is in the feed at once, and a decision over HTTP lets the tool run [http-decide] [feed-approval]', async () => {
  turns.model.script((request) =>
    request.messages.at(-1)?.role === 'tool'
      ? ['ok']
      : [{ toolCall: { name: 'test__effect', arguments: { text: 'from the inbox' } } }],
  );
  const sessionId = await turns.session();
  await seatParticipants(turns.db, sessionId, { ada: 'approver' });
  const token = await signToken({ sub: 'ada' });
  const feed = await gateway.dialFeed({ token });
  await feed.frame('welcome');
  await turns.say(sessionId, 'go');
  const asked = await feed.frame('tool_approval_request', undefined, 30_000);
  const inbox = await askJson(`${gateway.http}/v1/approvals`, { token });
  expect(inbox.body.approvals).toMatchObject([
    { tool_call_id: asked.tool_call_id, tool: 'test.effect', arguments: { text: 'from the inbox' } },
  ]);
  const body = { approved: true, arguments_hash: asked.arguments_hash };
  const decided = await askJson(`${gateway.http}/v1/approvals/${asked.tool_call_id}`, { token, body });
  expect([decided.status, decided.body.disposition]).toEqual([200, 'recorded']);
  await feed.frame('tool_approval_resolved', ({ by }) => by === 'ada');
  expect(await turns.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(turns.effects().map(({ text }) => text)).toEqual(['from the inbox']);
  expect(feed.breaches).toEqual([]);
});
