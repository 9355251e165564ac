import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ApprovalsPage, approvalDetails, approvalsPage } from '../../src/protocol/approvals.ts';
import type { FeedPage } from '../../src/protocol/feed-frames.ts';
import { ackFrame } from '../../src/protocol/live-frames.ts';
import { readFeed } from '../../src/store/feeds.ts';
import { endRunningTurn } from '../../src/store/turns.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson, problemIn } from '../helpers/http.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { waitingCall } from '../helpers/waiting-call.ts';

let harness: GatewayHarness;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  harness = await openGatewayHarness();
  for (const sub of ['alice', 'max', 'ada', 'vic', 'mallory']) tokens[sub] = await signToken({ sub });
  tokens.foreign = await signToken({ tenant: 'other' });
});
afterAll(() => harness.close());

const ask = (user: string, path: string, body?: unknown) =>
  askJson(`${harness.http}${path}`, { token: tokens[user] ?? null, body });

async function inbox(user: string, query = ''): Promise<ApprovalsPage> {
  const answer = await ask(user, `/v1/approvals${query}`);
  expect(answer.status).toBe(200);
  return approvalsPage.parse(answer.body);
}

/** A session of alice's, with others, in which a call waits. */
async function waiting(): Promise<{ step: StreamingStep; toolCallId: string }> {
  const sessionId = await harness.session();
  await seatParticipants(harness.db, sessionId, { max: 'member', ada: 'approver', vic: 'viewer' });
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('do it');
  await step.open();
  const call = { ...gatedCall(), timeoutMs: 3_600_000 };
  await step.close({ calls: [call] });
  return { step, toolCallId: call.toolCallId };
}

test('what waits in all my sessions is listed with the place of the feed, for those who may decide [http-approvals] [http-pages]', async () => {
  const [one, two] = [await waiting(), await waiting()];
  const ids = [one.toolCallId, two.toolCallId].sort().reverse();
  for (const user of ['alice', 'max', 'ada']) {
    const page = await inbox(user);
    expect(page.approvals.map(({ tool_call_id }) => tool_call_id)).toEqual(ids);
    const feed = await readFeed(harness.db, { tenant: 't', userId: user, after: 0, limit: 100 });
    expect(page.last_seq).toBe(feed.at(-1)?.seq);
  }
  const [first] = (await inbox('ada')).approvals;
  expect(first).toMatchObject({
    tool: 'office.send_mail',
    arguments: { to: 'bob' },
    arguments_hash: 'hash-of-arguments',
    asked_by: 'alice',
    decision: null,
  });
  expect((first?.expires_at ?? 0) - (first?.requested_at ?? 0)).toBe(3_600_000);
  for (const user of ['vic', 'mallory', 'foreign']) expect((await inbox(user)).approvals).toEqual([]);

  const page = await inbox('ada', '?limit=1');
  expect([page.approvals[0]?.tool_call_id, page.next]).toEqual([ids[0], ids[0]]);
  const rest = await inbox('ada', `?limit=1&before=${page.next}`);
  expect([rest.approvals[0]?.tool_call_id, rest.next]).toEqual([ids[1], null]);
  expect(await inbox('ada', `?before=${ids[1]}`)).toMatchObject({ approvals: [], next: null });
});

test('how many approvers are missing is told of each, in the list and alone, as long as they are [approval-missing]', async () => {
  const people = { ada: 'approver', vic: 'viewer' } as const;
  const { sessionId, toolCallId, argumentsHash } = await waitingCall(harness, {
    people,
    levels: [{ needed: 4 }],
  });
  const told = async () => {
    const listed = (await inbox('ada')).approvals.find((one) => one.tool_call_id === toolCallId);
    const alone = approvalDetails.parse((await ask('vic', `/v1/approvals/${toolCallId}`)).body);
    expect(alone).toMatchObject({ ...listed });
    return [listed?.missing_approvers, alone.reason];
  };
  const only2 = expect.stringMatching(/ As things stand nobody can approve .* needs 4 .* only 2 of them/);
  expect(await told()).toEqual([2, only2]);
  await seatParticipants(harness.db, sessionId, { max: 'member' });
  expect(await told()).toEqual([1, expect.stringMatching(/only 3 of them/)]);
  await seatParticipants(harness.db, sessionId, { vic: 'member', mia: 'member' });
  expect(await told()).toEqual([0, 'not known as read-only']);
  // Of one that is decided nobody is missing.
  await seatParticipants(harness.db, sessionId, { vic: 'viewer', mia: 'viewer' });
  expect(await told()).toEqual([1, expect.stringMatching(/only 3 of them/)]);
  const decision = { approved: false, arguments_hash: argumentsHash };
  expect((await ask('ada', `/v1/approvals/${toolCallId}`, decision)).status).toBe(200);
  const resolved = (await inbox('ada', '?status=resolved')).approvals;
  expect(resolved).toMatchObject([{ tool_call_id: toolCallId, missing_approvers: 0 }]);
});

test('pages of large arguments are short, and lose none', async () => {
  const sessionId = await harness.session('lara');
  await seatParticipants(harness.db, sessionId, { alice: 'member' });
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('do it');
  await step.open();
  // Incompressible, so that it is as large in the store.
  const text = () => randomBytes(300_000).toString('base64');
  const calls = Array.from({ length: 6 }, () => ({ ...gatedCall(), arguments: { text: text() } }));
  await step.close({ calls });
  const token = await signToken({ sub: 'lara' });
  const read = async (path: string) => (await askJson(`${harness.http}${path}`, { token })).body;
  const listed: string[] = [];
  for (let next: string | null = 'zzz'; next !== null; ) {
    const page: ApprovalsPage = await read(`/v1/approvals?before=${next}`);
    expect(page.approvals.length).toBeLessThan(6);
    listed.push(...page.approvals.map((call) => call.tool_call_id));
    next = page.next;
  }
  const ids = calls.map(({ toolCallId }) => toolCallId);
  expect(listed).toEqual(ids.toSorted().toReversed());
  const told: string[] = [];
  for (let next: number | null = 0; next !== null; ) {
    const page: FeedPage = await read(`/v1/feed?after=${next}`);
    expect(page.items.length).toBeLessThan(6);
    told.push(
      ...page.items.flatMap((item) => (item.type === 'tool_approval_request' ? [item.tool_call_id] : [])),
    );
    next = page.next;
  }
  expect(told).toEqual(ids);
});

test('a decision is acked, the same again gets the same, another one learns what stands [http-decide]', async () => {
  const { toolCallId } = await waiting();
  const path = `/v1/approvals/${toolCallId}`;
  const yes = { id: 'd1', approved: true, arguments_hash: 'hash-of-arguments' };
  const decided = await ask('ada', path, yes);
  expect(decided.status).toBe(200);
  expect(ackFrame.parse(decided.body)).toMatchObject({
    id: 'd1',
    disposition: 'recorded',
    decision: { tool_call_id: toolCallId, decision: 'approved', by: 'ada' },
  });
  expect((await ask('ada', path, yes)).body).toEqual(decided.body);
  const late = await ask('max', path, { approved: false, reason: 'no' });
  expect(problemIn(late)).toEqual([409, 'conflict']);
  expect(late.body.decision).toEqual(decided.body.decision);
  expect((await inbox('max')).approvals.map((call) => call.tool_call_id)).not.toContain(toolCallId);
  const [stands] = (await inbox('max', '?status=resolved')).approvals.filter(
    (call) => call.tool_call_id === toolCallId,
  );
  expect(stands?.decision).toEqual(decided.body.decision);
});

test('a body with a key that cannot be kept as it is changes nothing, and is told where it stands [http-decide]', async () => {
  const { step, toolCallId } = await waiting();
  const refused = async (path: string, field: string, method: string, body: string) => {
    const answer = await askJson(`${harness.http}${path}`, {
      ...{ token: tokens.alice ?? null, method, body: JSON.parse(body) as unknown },
    });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ code: 'validation_error', detail: expect.stringContaining(field) });
  };
  const edit = '{"approved":true,"arguments":{"to":"x","deep":{"__proto__":{"a":1}}}}';
  await refused(`/v1/approvals/${toolCallId}`, 'Field "arguments.deep.__proto__": ', 'POST', edit);
  const people = '{"participants":{"__proto__":"viewer"}}';
  await refused(`/v1/sessions/${step.sessionId}`, 'Field "participants.__proto__": ', 'PATCH', people);
  const { body } = await ask('alice', `/v1/approvals/${toolCallId}`);
  expect(body).toMatchObject({ status: 'waiting', arguments: { to: 'bob' } });
});

test('who may not decide is told so, and strangers learn nothing', async () => {
  const { toolCallId } = await waiting();
  const path = `/v1/approvals/${toolCallId}`;
  expect(problemIn(await ask('vic', path, { approved: true }))).toEqual([403, 'forbidden']);
  for (const user of ['mallory', 'foreign']) {
    expect(problemIn(await ask(user, path, { approved: true }))).toEqual([404, 'not_found']);
  }
  expect(problemIn(await ask('ada', `/v1/approvals/${randomUUID()}`, { approved: true }))).toEqual([
    404,
    'not_found',
  ]);
  const stale = { approved: true, arguments_hash: 'of something else' };
  expect(problemIn(await ask('ada', path, stale))).toEqual([409, 'conflict']);
  for (const body of [
    {},
    { approved: 'yes' },
    { approved: true, arguments: {} },
    { approved: true, reason: 5 },
  ]) {
    expect(problemIn(await ask('ada', path, body))).toEqual([400, 'validation_error']);
  }
  for (const query of ['?status=all', '?limit=0', '?before=%00']) {
    expect(problemIn(await ask('ada', `/v1/approvals${query}`))).toEqual([400, 'validation_error']);
  }
  expect((await inbox('ada')).approvals.map((call) => call.tool_call_id)).toContain(toolCallId);
});

test('approvals of a run that is long closed are told with what became of them', async () => {
  const { step, toolCallId } = await waiting();
  const { sessionId, runId } = step;
  await endRunningTurn(harness.db, { sessionId, runId, status: 'cancelled' });
  expect((await inbox('ada')).approvals.map((call) => call.tool_call_id)).not.toContain(toolCallId);
  const resolved = (await inbox('ada', '?status=resolved')).approvals;
  expect(resolved.find((call) => call.tool_call_id === toolCallId)?.decision).toMatchObject({
    decision: 'withdrawn',
    by: 'turngate',
  });
  const late = await ask('ada', `/v1/approvals/${toolCallId}`, { approved: true });
  expect(late.body).toMatchObject({ status: 409, code: 'conflict', decision: { decision: 'withdrawn' } });
});
