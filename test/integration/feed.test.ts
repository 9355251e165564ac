import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { FeedFrame } from '../../src/protocol/feed-frames.ts';
import { openPool } from '../../src/store/db.ts';
import type { ProposedCall } from '../../src/store/step-close.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson, problemIn } from '../helpers/http.ts';
import { seatParticipants } from '../helpers/participants.ts';
import type { ConnectOptions, SessionClient } from '../helpers/session-client.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let east: GatewayHarness;
let west: GatewayHarness;

beforeAll(async () => {
  east = await openGatewayHarness();
  west = await openGatewayHarness({ beside: east });
});
afterAll(async () => {
  await west.close();
  await east.close();
});

async function feedOf(
  user: string,
  options: { at?: GatewayHarness; lastSeq?: number; query?: Record<string, string> } & ConnectOptions = {},
): Promise<SessionClient> {
  const { at = east, lastSeq, ...rest } = options;
  const query = { ...(lastSeq === undefined ? {} : { last_seq: String(lastSeq) }), ...rest.query };
  const client = await at.dialFeed({ ...rest, query, token: await signToken({ sub: user }) });
  await client.frame('welcome');
  return client;
}

const items = (client: SessionClient) =>
  client.frames.filter((frame): frame is FeedFrame => 'session_seq' in frame);
const itemsOf = (client: SessionClient, sessionId: string) =>
  items(client).filter((item) => item.session_id === sessionId);
/** Until everything that was sent to it before has arrived. */
async function barrier(client: SessionClient): Promise<void> {
  const id = crypto.randomUUID();
  client.send({ type: 'ping', id });
  await client.frame('pong', (pong) => pong.id === id);
}

/** A session of this user's, in which alice says what the tests need to be said. */
async function sessionOf(user: string): Promise<string> {
  const sessionId = await east.session(user);
  await seatParticipants(east.db, sessionId, { alice: 'member' });
  return sessionId;
}

async function waitingCall(sessionId: string): Promise<{ step: StreamingStep; call: ProposedCall }> {
  const step = new StreamingStep(east.db, east.worker, sessionId);
  await step.ask('do it');
  await step.open();
  const call = { ...gatedCall(), timeoutMs: 60_000 };
  await step.close({ calls: [call] });
  return { step, call };
}

test('an approval is asked of everybody who may answer, on whichever gateway, and seen to be answered [feed-approval] [feed-order]', async () => {
  const people = { max: 'member', ada: 'approver', vic: 'viewer' } as const;
  const sessionId = await east.session();
  await seatParticipants(east.db, sessionId, people);
  const alice = await feedOf('alice');
  const ada = await feedOf('ada', { at: west });
  const max = await feedOf('max', { at: west });
  const vic = await feedOf('vic');
  const mallory = await feedOf('mallory', { at: west });
  const { call } = await waitingCall(sessionId);
  const fits = (item: { tool_call_id: string }) => item.tool_call_id === call.toolCallId;
  for (const client of [alice, ada, max]) {
    const asked = await client.frame('tool_approval_request', fits);
    expect(asked).toMatchObject({
      session_id: sessionId,
      tool: 'office.send_mail',
      arguments: { to: 'bob' },
    });
  }
  ada.send({ type: 'tool_approval', id: 'd', tool_call_id: call.toolCallId, approved: true });
  expect(await ada.frame('ack')).toMatchObject({ id: 'd', disposition: 'recorded', decision: { by: 'ada' } });
  for (const client of [alice, ada, max]) {
    const resolved = await client.frame('tool_approval_resolved', fits);
    expect(resolved).toMatchObject({ decision: 'approved', by: 'ada', session_id: sessionId });
    expect(client.breaches).toEqual([]);
  }
  // Whoever may not answer hears of what comes after it, and so of nothing before.
  const next = await west.session('vic');
  await vic.frame('session_updated', (item) => item.session_id === next);
  expect(itemsOf(vic, sessionId)).toEqual([]);
  const own = await east.session('mallory');
  await mallory.frame('session_updated', (item) => item.session_id === own);
  expect(items(mallory).map((item) => item.session_id)).toEqual([own]);
});

test('the list of what waits and the feed from its last_seq make one whole [feed-inbox]', async () => {
  const sessionId = await sessionOf('ines');
  const before = await waitingCall(sessionId);
  const token = await signToken({ sub: 'ines' });
  const inbox = await askJson(`${west.http}/v1/approvals`, { token });
  expect(inbox.body.approvals).toMatchObject([{ tool_call_id: before.call.toolCallId }]);
  await askJson(`${east.http}/v1/approvals/${before.call.toolCallId}`, { token, body: { approved: false } });
  const feed = await feedOf('ines', { at: west, lastSeq: inbox.body.last_seq });
  const first = await feed.frame('tool_approval_resolved');
  expect(first).toMatchObject({ seq: inbox.body.last_seq + 1, tool_call_id: before.call.toolCallId });
  expect(feed.of('tool_approval_request')).toEqual([]);
});

test('whoever was away gets what they missed, once and in order, over any gateway [feed-resume]', async () => {
  const sessionId = await sessionOf('rita');
  const first = await feedOf('rita');
  await first.frame('session_updated', (item) => item.session_id === sessionId);
  const lastSeq = first.lastSeq;
  first.terminate();
  const { call } = await waitingCall(sessionId);
  const second = await feedOf('rita', { at: west, lastSeq });
  await second.frame('tool_approval_request', (item) => item.tool_call_id === call.toolCallId);
  expect(items(second).map(({ seq }) => seq)).toEqual([lastSeq + 1]);
  second.resume(0);
  await until(() => items(second).filter((item) => item.session_id === sessionId).length === 3);
  expect(second.breaches).toEqual([]);
  expect(await second.frame('welcome')).toMatchObject({ session_id: 'feed', last_seq: lastSeq + 1 });
  expect(second.of('agent_status')).toEqual([]);
});

describe('who comes in, and what a feed takes', () => {
  test('a bad token, a bad place and other frames are answered as in a session [feed-frames]', async () => {
    const stranger = await east.dialFeed({ token: 'nonsense' });
    expect(await stranger.end()).toEqual({ code: 4001, reason: 'Unauthorized' });
    const lost = await east.dialFeed({ query: { last_seq: 'x' } });
    expect(await lost.frame('error')).toMatchObject({ code: 'validation_error' });
    expect((await lost.end()).code).toBe(1008);
    for (const way of ['query', 'protocol'] as const) {
      const client = await east.dialFeed({ way });
      expect(await client.frame('welcome')).toMatchObject({ user: { id: 'alice' } });
    }
    const feed = await feedOf('alice');
    for (const frame of [
      { type: 'message', id: 'm', content: 'hello' },
      { type: 'cancel', id: 'c' },
    ]) {
      feed.send(frame);
      const refused = await feed.frame('error', ({ id }) => id === frame.id);
      expect(refused).toMatchObject({ code: 'validation_error', error: expect.stringContaining('feed') });
    }
    feed.send({ type: 'tool_approval', id: 'd', tool_call_id: crypto.randomUUID(), approved: true });
    expect(await feed.frame('error', ({ id }) => id === 'd')).toMatchObject({ code: 'not_found' });
    feed.send({ type: 'resume', id: 'r', last_seq: 1_000_000 });
    expect(await feed.frame('error', ({ error }) => error.includes('past the end'))).toBeDefined();
    await barrier(feed);
  });

  test('a filter leaves out what was not asked for, and says how far it is [feed-filter]', async () => {
    const sessionId = await sessionOf('fred');
    await waitingCall(sessionId);
    const feed = await feedOf('fred', { query: { events: 'tool_approval_request' } });
    await feed.frame('tool_approval_request');
    expect(feed.of('session_updated')).toEqual([]);
    expect(feed.of('cursor').map(({ seq }) => seq)).toEqual([1]);
  });

  test('feeds of users whose names hold colons, and of other tenants, are their own', async () => {
    const odd = await askJson(`${east.http}/v1/sessions`, {
      token: await signToken({ tenant: 'a:b', sub: 'c' }),
      body: {},
    });
    const other = await askJson(`${east.http}/v1/sessions`, {
      token: await signToken({ tenant: 'a', sub: 'b:c' }),
      body: {},
    });
    for (const [claims, id] of [
      [{ tenant: 'a:b', sub: 'c' }, odd.body.id],
      [{ tenant: 'a', sub: 'b:c' }, other.body.id],
    ] as const) {
      const client = await west.dialFeed({ token: await signToken(claims) });
      await client.frame('session_updated');
      await barrier(client);
      expect(items(client).map((item) => item.session_id)).toEqual([id]);
    }
  });
});

test('who is let into a session and out of it is told, and sees nothing of it afterwards [feed-session] [feed-removed]', async () => {
  const sessionId = await sessionOf('nora');
  const { call } = await waitingCall(sessionId);
  const fits = (item: { tool_call_id: string }) => item.tool_call_id === call.toolCallId;
  const feed = await feedOf('nora', { at: west });
  expect(await feed.frame('session_updated')).toMatchObject({ session_seq: 0, title: '', state: 'active' });
  await feed.frame('tool_approval_request', fits);
  await east.db.query(`delete from participants where session_id = $1 and user_id = 'nora'`, [sessionId]);
  feed.resume(0);
  await until(() => itemsOf(feed, sessionId).length === 4);
  expect(itemsOf(feed, sessionId).slice(2)).toMatchObject([
    { type: 'session_updated', seq: 1, removed: true },
    { type: 'session_updated', seq: 2, removed: true },
  ]);
  expect(JSON.stringify(itemsOf(feed, sessionId).slice(2))).not.toContain(call.toolCallId);
});

test('what a dead worker did not announce arrives by the slow poll [feed-order]', async () => {
  const sessionId = await sessionOf('paul');
  const feed = await feedOf('paul', { at: west });
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
  const feed = await feedOf('dora', { at: third });
  const sessionId = await sessionOf('dora');
  await feed.frame('session_updated');
  await third.gateway.close();
  expect((await feed.end()).code).toBe(1012);
  const { call } = await waitingCall(sessionId);
  const again = await feedOf('dora', { at: west, lastSeq: feed.lastSeq });
  await again.frame('tool_approval_request', (item) => item.tool_call_id === call.toolCallId);
  expect([...items(feed), ...items(again)].map(({ seq }) => seq)).toEqual([1, 2]);
  await third.close();
});

test('a feed over HTTP without an upgrade asks for a token like everything', async () => {
  const answer = await askJson(`${east.http}/v1/feed`);
  expect(problemIn(answer)[0]).toBeGreaterThanOrEqual(401);
});
