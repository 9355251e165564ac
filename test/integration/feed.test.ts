import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { feedPage } from '../../src/protocol/feed-frames.ts';
import { removeOldFeedItems } from '../../src/store/feed-retention.ts';
import { barrier, callIn, feedOf, items, sessionOf } from '../helpers/feeds.ts';
import { type GatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { askJson, problemIn } from '../helpers/http.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { SseClient } from '../helpers/sse-client.ts';
import { until } from '../helpers/until.ts';

let east: GatewayHarness;
let west: GatewayHarness;

beforeAll(async () => {
  [east, west] = await openGatewayPair();
});
afterAll(() => east.close());

test('an approval is asked of everybody who may answer, on whichever gateway, and seen to be answered [feed-approval] [feed-order]', async () => {
  const people = { max: 'member', ada: 'approver', vic: 'viewer' } as const;
  const sessionId = await east.session();
  await seatParticipants(east.db, sessionId, people);
  const alice = await feedOf(east, 'alice');
  const ada = await feedOf(west, 'ada');
  const max = await feedOf(west, 'max');
  const vic = await feedOf(east, 'vic');
  const mallory = await feedOf(west, 'mallory');
  const { call } = await callIn(east, sessionId);
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
  expect(items(vic).filter((item) => item.session_id === sessionId)).toEqual([]);
  const own = await east.session('mallory');
  await mallory.frame('session_updated', (item) => item.session_id === own);
  expect(items(mallory).map((item) => item.session_id)).toEqual([own]);
});

test('the list of what waits and the feed from its last_seq make one whole [feed-inbox]', async () => {
  const sessionId = await sessionOf(east, 'ines');
  const before = await callIn(east, sessionId);
  const token = await signToken({ sub: 'ines' });
  const inbox = await askJson(`${west.http}/v1/approvals`, { token });
  expect(inbox.body.approvals).toMatchObject([{ tool_call_id: before.call.toolCallId }]);
  await askJson(`${east.http}/v1/approvals/${before.call.toolCallId}`, { token, body: { approved: false } });
  const feed = await feedOf(west, 'ines', { lastSeq: inbox.body.last_seq });
  const first = await feed.frame('tool_approval_resolved');
  expect(first).toMatchObject({ seq: inbox.body.last_seq + 1, tool_call_id: before.call.toolCallId });
  expect(feed.of('tool_approval_request')).toEqual([]);
});

test('whoever was away gets what they missed, once and in order, over any gateway [feed-resume]', async () => {
  const sessionId = await sessionOf(east, 'rita');
  const first = await feedOf(east, 'rita');
  await first.frame('session_updated', (item) => item.session_id === sessionId);
  const lastSeq = first.lastSeq;
  first.terminate();
  const { call } = await callIn(east, sessionId);
  const second = await feedOf(west, 'rita', { lastSeq });
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
    const feed = await feedOf(east, 'alice');
    for (const frame of [
      { type: 'message', id: 'm', content: 'hello' },
      { type: 'cancel', id: 'c' },
      { type: 'typing', id: 't', active: true },
      { type: 'received', id: 's', seq: 0 },
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
    const sessionId = await sessionOf(east, 'fred');
    await callIn(east, sessionId);
    const feed = await feedOf(east, 'fred', { query: { events: 'tool_approval_request' } });
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
  const sessionId = await sessionOf(east, 'nora');
  const token = await signToken({ sub: 'nora' });
  const change = (participants: Record<string, string | null>) =>
    askJson(`${east.http}/v1/sessions/${sessionId}`, { token, method: 'PATCH', body: { participants } });
  const own = await feedOf(east, 'nora');
  expect(await own.frame('session_updated')).toMatchObject({ session_seq: 0, title: '', state: 'active' });
  const feed = await feedOf(west, 'ned');
  expect((await change({ ned: 'approver' })).status).toBe(200);
  const ned = { user_id: 'ned', role: 'approver' };
  const added = await feed.frame('session_updated');
  expect(added.participants).toContainEqual(ned);
  const { call } = await callIn(east, sessionId);
  await feed.frame('tool_approval_request', (item) => item.tool_call_id === call.toolCallId);
  expect((await change({ ned: null })).status).toBe(200);
  await until(() => items(feed).length === 3);
  const removal = { type: 'session_updated', session_id: sessionId, removed: true };
  expect(items(feed)[2]).toMatchObject(removal);
  feed.resume(0);
  await until(() => items(feed).length === 6);
  const again = items(feed).slice(3);
  expect(again).toMatchObject([1, 2, 3].map((seq) => ({ ...removal, seq })));
  expect(JSON.stringify(again)).not.toContain(call.toolCallId);
  expect(own.of('session_updated').at(-1)?.participants).not.toContainEqual(ned);

  const seen = items(own).length;
  expect((await askJson(`${east.http}/v1/sessions/${sessionId}`, { token, method: 'DELETE' })).status).toBe(
    204,
  );
  await until(
    () => items(own).length > seen && items(own).every((item, at) => at < seen || 'removed' in item),
  );
  expect([...own.breaches, ...feed.breaches]).toEqual([]);
});

test('whoever asks for items that are no longer kept is told, and goes on from there [feed-resync]', async () => {
  const sessionId = await sessionOf(east, 'otto');
  await callIn(east, sessionId);
  await east.db.query(`update feed_items set ts = now() - interval '2 days' where user_id = 'otto'`);
  const { call } = await callIn(east, await sessionOf(east, 'otto'));
  expect(await removeOldFeedItems(east.db, 24 * 3_600_000)).toBe(false);
  const feed = await feedOf(west, 'otto');
  expect(await feed.frame('resync')).toMatchObject({ reason: 'retention', last_seq: 2 });
  await feed.frame('tool_approval_request', (item) => item.tool_call_id === call.toolCallId);
  expect(items(feed).map(({ seq }) => seq)).toEqual([3, 4]);
});

test('a feed ends with its token, unless another one comes, and a ticket opens it [feed-frames]', async () => {
  const short = await signToken({ sub: 'eva' }, { expires: '2s' });
  const [dying, living] = [await east.dialFeed({ token: short }), await east.dialFeed({ token: short })];
  await Promise.all([dying.frame('welcome'), living.frame('welcome')]);
  const token = await signToken({ sub: 'eva' });
  living.send({ type: 'auth', id: 'a', token });
  await living.frame('ack');
  expect((await dying.end()).code).toBe(4010);
  const ticket = await askJson(`${west.http}/v1/tickets`, { token, body: {} });
  const byTicket = await east.dialFeed({ token: null, query: { ticket: ticket.body.ticket } });
  expect(await byTicket.frame('welcome')).toMatchObject({ user: { id: 'eva' }, session_id: 'feed' });
  await barrier(living);
});

describe('the feed over HTTP', () => {
  test('is a stream of the same items, resumed by Last-Event-ID [feed-sse]', async () => {
    const token = await signToken({ sub: 'sven' });
    const sessionId = await sessionOf(east, 'sven');
    const first = new SseClient(`${west.http}/v1/feed`, { token });
    const { call } = await callIn(east, sessionId);
    await first.frame('tool_approval_request', (item) => item.tool_call_id === call.toolCallId);
    expect(first.frames.map(({ type }) => type)).toEqual([
      'welcome',
      'session_updated',
      'tool_approval_request',
    ]);
    expect(first.ids).toEqual([undefined, '1', '2']);
    first.close();
    await askJson(`${east.http}/v1/approvals/${call.toolCallId}`, { token, body: { approved: false } });
    const again = { token, headers: { 'last-event-id': first.lastId ?? '' }, lastSeq: first.lastSeq };
    const second = new SseClient(`${east.http}/v1/feed`, again);
    await second.frame('tool_approval_resolved');
    expect(second.of('tool_approval_request')).toEqual([]);
    expect([first, second].flatMap(({ view }) => view.breaches)).toEqual([]);
    second.close();
  });

  test('is read in pages, too [feed-page]', async () => {
    const token = await signToken({ sub: 'pia' });
    const read = async (query: string) => {
      const answer = await askJson(`${west.http}/v1/feed${query}`, { token });
      expect(answer.status).toBe(200);
      return feedPage.parse(answer.body);
    };
    expect(await read('')).toEqual({ items: [], last_seq: 0, next: null });
    for (let at = 0; at < 3; at += 1) await east.session('pia');
    const page = await read('?limit=2');
    expect([page.items.map(({ seq }) => seq), page.last_seq, page.next]).toEqual([[1, 2], 3, 2]);
    expect(await read('?limit=2&after=2')).toMatchObject({ items: [{ seq: 3 }], next: null });
  });

  test('asks for a token, and for a query that it understands', async () => {
    expect(problemIn(await askJson(`${east.http}/v1/feed`))).toEqual([401, 'unauthorized']);
    const token = await signToken();
    for (const query of ['?after=x', '?limit=0']) {
      const answer = await askJson(`${east.http}/v1/feed${query}`, { token });
      expect(problemIn(answer)).toEqual([400, 'validation_error']);
    }
    const posted = await askJson(`${east.http}/v1/feed`, { token, body: {} });
    expect([problemIn(posted), posted.headers.get('allow')]).toEqual([[405, 'validation_error'], 'GET']);
  });
});
