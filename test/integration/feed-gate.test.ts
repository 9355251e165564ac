import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type Client, createClient, type Feed } from '../../src/client/index.ts';
import { publishEvents } from '../../src/live/publish-events.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { type Tended, tendGate } from '../../src/store/tend-gate.ts';
import { type GatewayHarness, openGatewayPair, signToken, until } from '../helpers/gateway.ts';
import { askJson, problemIn } from '../helpers/http.ts';
import { ask as askQuestion } from '../helpers/questions.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { type WaitingCall, waitingCall } from '../helpers/waiting-call.ts';

/** Two gateways on one store; what comes at all comes by announcements, not by looking. */
let east: GatewayHarness;
let west: GatewayHarness;
const feeds: Feed[] = [];

beforeAll(async () => {
  const timings = { pollMs: 600_000 };
  [east, west] = await openGatewayPair({ timings });
});
afterEach(() => {
  for (const feed of feeds.splice(0)) feed.close();
});
afterAll(() => east.close());

/** A user of this test alone, so that no feed has anything of another test. */
const person = (name: string) => `${name}-${randomUUID().slice(0, 8)}`;

async function feedOf(user: string, at = west): Promise<SessionClient> {
  const feed = await at.dialFeed({ token: await signToken({ sub: user }) });
  await feed.frame('welcome');
  return feed;
}

/** The types of what a feed has told, without what is not an item of it. */
const told = (feed: SessionClient) =>
  feed.frames.filter((frame) => 'session_seq' in frame).map(({ type }) => type);

/** What has come by the time at which something of another session, written later, has. */
async function afterBarrier(feed: SessionClient, user: string): Promise<ServerFrame['type'][]> {
  const { sessionId } = await waitingCall(east, { people: { [user]: 'member' } });
  const isBarrier = (frame: ServerFrame) => 'session_id' in frame && frame.session_id === sessionId;
  await until(() => feed.frames.some(isBarrier));
  return feed.frames.filter((frame) => 'session_seq' in frame && !isBarrier(frame)).map(({ type }) => type);
}

const approvers = (...users: string[]) => ({ approvers: { users, roles: [], requester: false } });

async function tend(
  { sessionId, toolCallId }: WaitingCall,
  column: 'remind_at' | 'expires_at',
): Promise<Tended> {
  await east.db.query(`update tool_calls set ${column} = now() where id = $1`, [toolCallId]);
  const tended = await tendGate(east.db, { sessionId, toolCallId });
  if (tended.kind === 'waiting') publishEvents(east.worker, sessionId, tended.events);
  return tended;
}

test('an approver whom the rule names is let in, hears of it on another gateway, and decides [feed-approval]', async () => {
  const [carol, vic, stranger] = [person('carol'), person('vic'), person('stranger')];
  const [hers, his, foreign] = [await feedOf(carol), await feedOf(vic), await feedOf(stranger)];
  const mine = await feedOf('alice', east);
  const call = await waitingCall(east, { people: { [vic]: 'viewer' }, levels: [approvers(carol)] });
  const asked = await hers.frame('tool_approval_request');
  expect(told(hers)).toEqual(['session_updated', 'tool_approval_request']);
  expect(hers.of('session_updated')[0]?.participants).toContainEqual({ user_id: carol, role: 'approver' });
  expect(asked).toMatchObject({
    session_id: call.sessionId,
    approvers: [carol],
    needed: 1,
    rule: 'big-mails',
  });
  const token = await signToken({ sub: carol });
  const inbox = await askJson(`${west.http}/v1/approvals`, { token });
  expect(inbox.body.approvals).toMatchObject([{ tool_call_id: call.toolCallId }]);
  hers.send({
    ...{ type: 'tool_approval', id: 'd1', tool_call_id: call.toolCallId, approved: true },
    ...{ arguments_hash: asked.arguments_hash, tool_hash: asked.tool_hash, round: asked.round },
  });
  expect(await hers.frame('ack')).toMatchObject({ id: 'd1', disposition: 'recorded' });
  for (const feed of [hers, mine]) {
    const mineOnly = (one: { tool_call_id: string }) => one.tool_call_id === call.toolCallId;
    expect(await feed.frame('tool_approval_resolved', mineOnly)).toMatchObject({
      by: carol,
      decision: 'approved',
    });
  }
  expect(await afterBarrier(his, vic)).toEqual(['session_updated']);
  expect(await afterBarrier(foreign, stranger)).toEqual([]);
  for (const feed of [hers, his, foreign, mine]) expect(feed.breaches).toEqual([]);
});

test('a requester whom the rule leaves out sees it in the feed, and may not decide', async () => {
  const ada = person('ada');
  const mine = await feedOf('alice', east);
  const levels = [{ approvers: { users: [], roles: ['approver' as const], requester: false } }];
  const call = await waitingCall(east, { people: { [ada]: 'approver' }, levels });
  const asked = await mine.frame('tool_approval_request', (one) => one.tool_call_id === call.toolCallId);
  expect(asked.approvers).toEqual([ada]);
  mine.send({ type: 'tool_approval', id: 'd1', tool_call_id: call.toolCallId, approved: true });
  expect(await mine.frame('error', ({ id }) => id === 'd1')).toMatchObject({ code: 'forbidden' });
  const path = `${east.http}/v1/approvals/${call.toolCallId}`;
  const token = await signToken();
  expect(problemIn(await askJson(path, { token, body: { approved: true } }))).toEqual([403, 'forbidden']);
  expect((await askJson(path, { token })).body).toMatchObject({ may_decide: false, decision: null });
  const body = { approved: false, reason: 'no' };
  expect((await askJson(path, { token: await signToken({ sub: ada }), body })).status).toBe(200);
  const resolved = await mine.frame('tool_approval_resolved', (one) => one.tool_call_id === call.toolCallId);
  expect(resolved).toMatchObject({ by: ada, decision: 'rejected', reason: 'no' });
});

test('reminders, and whom it is escalated to: each hears of it when it is their turn [feed-approval]', async () => {
  const [first, second] = [person('first'), person('second')];
  const [one, two] = [await feedOf(first, east), await feedOf(second)];
  const levels = [{ ...approvers(first), timeoutMs: 3_600_000, remindEveryMs: 60_000 }, approvers(second)];
  const call = await waitingCall(east, { levels });
  await one.frame('tool_approval_request');
  expect(await tend(call, 'remind_at')).toMatchObject({ kind: 'waiting' });
  expect(await one.frame('tool_approval_reminder')).toMatchObject({ number: 1, approvers: [first] });
  expect(told(two)).toEqual([]);
  expect(await tend(call, 'expires_at')).toMatchObject({ kind: 'waiting' });
  const escalated = await two.frame('tool_approval_request');
  expect(escalated).toMatchObject({ because: 'escalated', level: 1 });
  expect(escalated.approvers.toSorted()).toEqual([first, second].toSorted());
  await one.frame('tool_approval_request', ({ because }) => because === 'escalated');
  expect(told(two)).toEqual(['session_updated', 'tool_approval_request']);
  expect(told(one).slice(0, 3)).toEqual([
    'session_updated',
    'tool_approval_request',
    'tool_approval_reminder',
  ]);
  expect(await tend(call, 'expires_at')).toEqual({ kind: 'expired', round: 1 });
  for (const feed of [one, two]) expect(feed.breaches).toEqual([]);
});

test('votes are told to all who may answer, and the last one decides', async () => {
  const [ada, max, vic] = [person('ada'), person('max'), person('vic')];
  const [hers, his, viewers] = [await feedOf(ada, east), await feedOf(max), await feedOf(vic)];
  const people = { [ada]: 'approver', [max]: 'member', [vic]: 'viewer' } as const;
  const call = await waitingCall(east, { people, levels: [{ needed: 2 }] });
  await hers.frame('tool_approval_request');
  const vote = { type: 'tool_approval', tool_call_id: call.toolCallId, approved: true };
  hers.send({ ...vote, id: 'v1' });
  expect(await hers.frame('ack')).toMatchObject({ disposition: 'recorded', approvals: 1, needed: 2 });
  for (const feed of [hers, his]) {
    expect(await feed.frame('tool_approval_vote')).toMatchObject({ by: ada, approvals: 1, needed: 2 });
  }
  expect(his.of('tool_approval_resolved')).toEqual([]);
  his.send({ ...vote, id: 'v2' });
  expect(await his.frame('ack')).toMatchObject({
    disposition: 'recorded',
    decision: { decision: 'approved', by: max },
  });
  await hers.frame('tool_approval_resolved');
  expect(await afterBarrier(viewers, vic)).toEqual([]);
  for (const feed of [hers, his, viewers]) expect(feed.breaches).toEqual([]);
});

test('a question is in the feed of whoever may answer it, on every gateway, and its answer too [feed-approval]', async () => {
  const [ada, vic] = [person('ada'), person('vic')];
  const [hers, viewers] = [await feedOf(ada), await feedOf(vic)];
  const call = await waitingCall(east, { people: { [ada]: 'approver', [vic]: 'viewer' } });
  const { sessionId } = call;
  const { requestId, events } = await askQuestion(east.db, { sessionId, turnId: call.step.turnId });
  publishEvents(east.worker, sessionId, events);
  expect(await hers.frame('input_request')).toMatchObject({ request_id: requestId, session_id: sessionId });
  hers.send({
    ...{ type: 'input_response', id: 'a1', request_id: requestId },
    ...{ action: 'accept', content: { colour: 'red' } },
  });
  expect(await hers.frame('ack')).toMatchObject({ id: 'a1', disposition: 'recorded', input: { by: ada } });
  expect(await hers.frame('input_resolved')).toMatchObject({
    request_id: requestId,
    action: 'accept',
    by: ada,
  });
  expect(await afterBarrier(viewers, vic)).toEqual([]);
  expect(hers.breaches).toEqual([]);
});

test('the typed client of somebody who is named has it in their inbox, and is rid of it when another decides', async () => {
  const [carol, dave] = [person('carol'), person('dave')];
  const client = (user: string): Client =>
    createClient({ url: west.http, token: () => signToken({ sub: user }) });
  const [hers, his] = [client(carol).feed(), client(dave).feed()];
  feeds.push(hers, his);
  for (const feed of [hers, his]) await until(() => feed.getSnapshot().connection.kind === 'open');
  const { toolCallId } = await waitingCall(east, { levels: [approvers(carol, dave)] });
  const waits = (feed: Feed) => feed.getSnapshot().approvals.map((one) => one.toolCallId);
  for (const feed of [hers, his]) await until(() => waits(feed).includes(toolCallId));
  expect(await hers.decide(toolCallId, { approved: false, reason: 'no' })).toMatchObject({
    disposition: 'recorded',
  });
  for (const feed of [hers, his]) await until(() => waits(feed).length === 0);
});
