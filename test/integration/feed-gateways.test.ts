import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { signToken as sign } from '../../src/cli/token.ts';
import { openPool } from '../../src/store/db.ts';
import { endRunningTurn } from '../../src/store/turns.ts';
import { callIn, feedOf, items, sessionOf } from '../helpers/feeds.ts';
import { type GatewayHarness, openGatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { spawnGateway } from '../helpers/gateway-process.ts';
import { askJson } from '../helpers/http.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { SessionClient } from '../helpers/session-client.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let east: GatewayHarness;
let west: GatewayHarness;
beforeAll(async () => {
  [east, west] = await openGatewayPair();
});
afterAll(() => east.close());

test('two people in many sessions at once: both feeds are whole on both gateways [feed-order]', async () => {
  const people = ['tom', 'tess'];
  const sessions = await Promise.all(Array.from({ length: 8 }, (_, at) => east.session(people[at % 2])));
  for (const id of sessions)
    await seatParticipants(east.db, id, { tom: 'owner', tess: 'approver', alice: 'member' });
  const readers = await Promise.all(people.flatMap((user) => [feedOf(east, user), feedOf(west, user)]));
  const asked: string[] = [];
  await Promise.all(
    sessions.map(async (sessionId, at) => {
      for (let turn = 0; turn < 5; turn += 1) {
        const { call, step } = await callIn(east, sessionId);
        asked.push(call.toolCallId);
        const token = await signToken({ sub: people[(at + turn) % 2] });
        const decided = await askJson(`${(turn % 2 ? east : west).http}/v1/approvals/${call.toolCallId}`, {
          token,
          body: { approved: turn % 2 === 0 },
        });
        expect(decided.status).toBe(200);
        await endRunningTurn(east.db, { sessionId, runId: step.runId, status: 'cancelled' });
      }
    }),
  );
  for (const reader of readers) {
    await until(() => reader.of('tool_approval_resolved').length === asked.length);
    const requested = reader.of('tool_approval_request').map((item) => item.tool_call_id);
    expect(requested.toSorted()).toEqual(asked.toSorted());
    expect(items(reader).map(({ seq }) => seq)).toEqual(items(reader).map((_, at) => at + 1));
    expect(reader.breaches).toEqual([]);
  }
});
test('what a dead worker did not announce arrives by the slow poll [feed-order]', async () => {
  const sessionId = await sessionOf(east, 'paul');
  const feed = await feedOf(west, 'paul');
  await feed.frame('session_updated', (item) => item.session_id === sessionId);
  // A pool of its own whose news nobody publishes: what a process leaves that dies right after its commit.
  const db = openPool({
    connectionString: east.databaseUrl,
    max: 1,
    applicationName: 'test',
    onError: () => undefined,
  });
  const step = new StreamingStep(db, { publish: () => undefined }, sessionId);
  await step.ask('do it');
  await step.open();
  await step.close({ calls: [gatedCall()] });
  await db.end();
  await feed.frame('tool_approval_request');
  expect(feed.breaches).toEqual([]);
});

test('a gateway that leaves sends feeds away with 1012, and another goes on [feed-resume]', async () => {
  const third = await openGatewayHarness({ beside: east });
  const feed = await feedOf(third, 'dora');
  const sessionId = await sessionOf(east, 'dora');
  await feed.frame('session_updated');
  await third.gateway.close();
  expect((await feed.end()).code).toBe(1012);
  const { call } = await callIn(east, sessionId);
  const again = await feedOf(west, 'dora', { lastSeq: feed.lastSeq });
  await again.frame('tool_approval_request', (item) => item.tool_call_id === call.toolCallId);
  expect([...items(feed), ...items(again)].map(({ seq }) => seq)).toEqual([1, 2]);
  await third.close();
});

test('a gateway that is killed takes nothing with it: the feed goes on at another [feed-resume]', async () => {
  const secret = 'a secret of gateways in processes of their own';
  const gateway = await spawnGateway(east.databaseUrl, secret);
  const claims = { user: 'kim', tenant: 't', ttlSeconds: 60 };
  const url = (at: { ws: string }) => `${at.ws}/v1/feed`;
  const dying = new SessionClient(url(gateway), { token: await sign(secret, claims) });
  await dying.frame('welcome');
  const sessionId = await sessionOf(east, 'kim');
  await dying.frame('session_updated');
  const { call } = await callIn(east, sessionId);
  await gateway.end('SIGKILL');
  expect((await dying.end()).code).toBe(1006);
  const token = await signToken({ sub: 'kim' });
  await askJson(`${west.http}/v1/approvals/${call.toolCallId}`, { token, body: { approved: true } });
  const again = await feedOf(west, 'kim', { lastSeq: dying.lastSeq });
  await again.frame('tool_approval_resolved');
  const seen = [...items(dying), ...items(again)];
  expect(seen.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect([...dying.breaches, ...again.breaches]).toEqual([]);
});
