import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type GateHarness, mailSchema, openGateHarness } from '../helpers/gate-harness.ts';
import { ended, resultOf, say, waitMs } from '../helpers/gate-talk.ts';
import { problemIn } from '../helpers/http.ts';
import { seatParticipants } from '../helpers/participants.ts';

let at: GateHarness;
beforeAll(async () => {
  at = await openGateHarness();
});
afterAll(() => at.close());

test('arguments that a person changed are what runs; the event shows both, the model is told [approval-edit]', async () => {
  at.mailRule('remember: always');
  const asked = await at.ask({ to: 'bob' });
  const request = await asked.request();
  for (const [wrong, words] of [
    [{ to: 7 }, 'string'],
    [{}, 'to'],
    [{ to: 'x', more: 1 }, 'more'],
  ] as const) {
    const refused = await say(asked.alice, request, { approved: true, arguments: wrong });
    expect(refused).toMatchObject({ type: 'error', code: 'validation_error' });
    expect(JSON.stringify(refused)).toContain(words);
  }
  expect(await say(asked.alice, request, { approved: false, arguments: { to: 'x' } })).toMatchObject({
    code: 'validation_error',
  });
  const edit = { approved: true, arguments: { to: 'carol' } };
  const ack = await say(asked.alice, request, edit);
  expect(ack).toMatchObject({
    disposition: 'recorded',
    decision: { decision: 'approved', arguments: { to: 'carol' } },
  });
  // Sent again, as after a cut.
  expect(await say(asked.alice, request, edit)).toMatchObject({
    disposition: 'recorded',
    decision: { by: 'alice' },
  });
  expect(await asked.alice.frame('tool_approval_resolved')).toMatchObject({
    arguments: { to: 'carol' },
    original_arguments: { to: 'bob' },
  });
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });
  await ended(asked);
  expect(at.sent().at(-1)).toEqual({ to: 'carol' });
  expect(at.heard()).toContain('A person changed the arguments');
  const [approval] = [await at.details('alice', request.tool_call_id)];
  expect(approval).toMatchObject({ arguments: { to: 'carol' }, original_arguments: { to: 'bob' } });
});

test('whoever the rule does not name may not decide, whatever their role; who is named and takes no part is let in [approval-approvers]', async () => {
  at.mailRule('approvers: { users: [eve], roles: [approver], requester: false }');
  const asked = await at.ask();
  const request = await asked.request();
  expect(request.approvers.toSorted()).toEqual(['ada', 'eve']);
  for (const user of ['alice', 'max', 'vic']) {
    const client = await asked.as(user);
    const refused = await say(client, request, { approved: true });
    expect(refused).toMatchObject({ type: 'error', code: 'forbidden' });
    expect((await at.details(user, request.tool_call_id)).may_decide).toBe(false);
  }
  expect(await asked.alice.frame('session_updated')).toMatchObject({
    participants: expect.arrayContaining([{ user_id: 'eve', role: 'approver' }]),
  });
  const eve = await asked.as('eve');
  expect(await say(eve, request, { approved: true })).toMatchObject({ disposition: 'recorded' });
  await ended(asked);
});

test('the first decision stands; a double click is acked as the first, another gets the one that stands [approval-first]', async () => {
  at.mailRule('remember: always');
  const asked = await at.ask();
  const request = await asked.request();
  const [max, ada] = [await asked.as('max'), await asked.as('ada')];
  const [one, two] = await Promise.all([
    say(max, request, { approved: false, reason: 'no' }),
    say(max, request, { approved: false, reason: 'no' }),
  ]);
  expect(one).toMatchObject({ disposition: 'recorded', decision: { by: 'max', decision: 'rejected' } });
  expect({ ...two, id: '' }).toEqual({ ...one, id: '' });
  expect(await say(ada, request, { approved: true })).toMatchObject({
    disposition: 'conflict',
    decision: { by: 'max', decision: 'rejected', reason: 'no' },
  });
  await ended(asked);
  expect(asked.alice.of('tool_approval_resolved')).toHaveLength(1);
});

test('a request that nobody can approve says so to everybody, as long as it is so [approval-nobody]', async () => {
  at.mailRule('needed: 2, approvers: { roles: [approver] }, reason: "It is much."');
  const asked = await at.ask();
  const request = await asked.request();
  expect(request).toMatchObject({ approvers: ['ada'], needed: 2 });
  expect(request.reason).toMatch(/^It is much\. As things stand nobody .* only one of them takes part/);
  expect((await at.details('max', request.tool_call_id)).reason).toBe(request.reason);
  await seatParticipants(at.db, asked.sessionId, { eve: 'approver' });
  expect((await at.details('max', request.tool_call_id)).reason).toBe('It is much.');
  expect(await say(await asked.as('ada'), request, { approved: true })).toMatchObject({ approvals: 1 });
  expect(await say(await asked.as('eve'), request, { approved: true })).toMatchObject({
    decision: { by: 'eve' },
  });
  await ended(asked);
});

test('several people are needed: each approval is told, the last one decides, one rejection decides alone [approval-quorum] [event-tool_approval_vote]', async () => {
  at.mailRule('needed: 2');
  const asked = await at.ask({ to: 'two' });
  const request = await asked.request();
  expect(request.needed).toBe(2);
  const [max, ada] = [await asked.as('max'), await asked.as('ada')];
  const vote = await say(max, request, { approved: true });
  expect(vote).toMatchObject({ disposition: 'recorded', approvals: 1, needed: 2 });
  expect(vote).not.toHaveProperty('decision');
  expect(await say(max, request, { approved: true })).toMatchObject({ approvals: 1, needed: 2 });
  expect(await asked.alice.frame('tool_approval_vote')).toMatchObject({ by: 'max', approvals: 1, needed: 2 });
  expect(await say(max, request, { approved: true, remember: 'session' })).toMatchObject({ approvals: 1 });
  expect(await say(ada, request, { approved: true, remember: 'session' })).toMatchObject({
    code: 'validation_error',
  });
  expect(at.sent().some(({ to }) => to === 'two')).toBe(false);
  expect(await say(ada, request, { approved: true })).toMatchObject({
    decision: { decision: 'approved', by: 'ada' },
  });
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });

  const other = await at.ask({ to: 'rejected' });
  const again = await other.request();
  await say(other.alice, again, { approved: true });
  expect(await say(await other.as('ada'), again, { approved: false })).toMatchObject({
    decision: { decision: 'rejected' },
  });
  expect(await resultOf(other)).toMatchObject({ status: 'rejected' });
  expect(at.sent().some(({ to }) => to === 'rejected')).toBe(false);
});

test('what one of several changed has to be approved by the others as it is now [approval-edit_quorum] [approval-round]', async () => {
  at.mailRule('needed: 2');
  const asked = await at.ask({ to: 'first' });
  const request = await asked.request();
  const [max, ada] = [await asked.as('max'), await asked.as('ada')];
  expect(await say(max, request, { approved: true })).toMatchObject({ approvals: 1 });
  const edit = { approved: true, arguments: { to: 'second' } };
  expect(await say(ada, request, edit)).toMatchObject({ disposition: 'recorded', approvals: 1, needed: 2 });
  const second = await asked.request(2);
  expect(second).toMatchObject({ round: 2, because: 'edited', arguments: { to: 'second' } });
  // Her own edit sent again is the same; what was approved before the edit decides nothing.
  expect(await say(ada, request, edit)).toMatchObject({ approvals: 1, needed: 2 });
  expect(await say(max, request, { approved: true })).toMatchObject({ code: 'conflict' });
  const { arguments_hash, tool_call_id } = second;
  max.send({ type: 'tool_approval', id: 'no-round', tool_call_id, arguments_hash, approved: true });
  expect(await max.frame('error', ({ id }) => id === 'no-round')).toMatchObject({ code: 'conflict' });
  expect(await say(max, second, { approved: true })).toMatchObject({ decision: { by: 'max' } });
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });
  expect(at.sent().at(-1)).toEqual({ to: 'second' });
});

test('people are reminded, then others are asked beside them, and in the end it expires [approval-reminder] [event-tool_approval_reminder] [approval-escalation]', async () => {
  at.mailRule(
    'approvers: { roles: [approver] }, timeout: 3s, remind_every: 1s, on_timeout: { escalate: [{ approvers: { users: [boss] }, timeout: 2s }] }',
  );
  const asked = await at.ask({ to: 'late' });
  const request = await asked.request();
  expect(request).toMatchObject({ approvers: ['ada'], level: 0 });
  expect(await asked.alice.frame('tool_approval_reminder', undefined, waitMs)).toMatchObject({
    number: 1,
    approvers: ['ada'],
  });
  const escalated = await asked.alice.frame('tool_approval_request', ({ level }) => level === 1, waitMs);
  expect(escalated).toMatchObject({ because: 'escalated', round: 1, approvers: ['ada', 'boss'] });
  expect(escalated.expires_at).toBeGreaterThan(request.expires_at);
  expect(await asked.alice.frame('tool_approval_resolved', undefined, waitMs)).toMatchObject({
    decision: 'expired',
  });
  expect(await resultOf(asked)).toMatchObject({ status: 'rejected' });
  await ended(asked);
  const actions = (await at.details('alice', request.tool_call_id)).audit.map(({ action }) => action);
  expect(actions.filter((action) => action === 'reminded').length).toBeGreaterThanOrEqual(1);
  expect(actions.filter((action) => action !== 'reminded')).toEqual([
    'asked',
    'asked',
    'escalated',
    'expired',
  ]);
});

test('who was asked first may decide after it was escalated to others', async () => {
  at.mailRule(
    'approvers: { roles: [approver] }, timeout: 1s, on_timeout: { escalate: [{ approvers: { users: [boss] }, timeout: 60s }] }',
  );
  const asked = await at.ask({ to: 'escalated' });
  await asked.request();
  const escalated = await asked.alice.frame('tool_approval_request', ({ level }) => level === 1, waitMs);
  expect(await say(await asked.as('ada'), escalated, { approved: true })).toMatchObject({
    decision: { by: 'ada' },
  });
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });
});

test('everything that was done to an approval is on record, also when its turn is long over; it is written once [approval-audit] [http-approval]', async () => {
  at.mailRule('needed: 2');
  const asked = await at.ask({ to: 'audited' });
  const request = await asked.request();
  await say(asked.alice, request, { approved: true });
  const answer = await at.api('ada', `/v1/approvals/${request.tool_call_id}`, {
    body: { approved: true, arguments: { to: 'edited' }, round: 1 },
  });
  expect(answer.body).toMatchObject({ disposition: 'recorded', approvals: 1, needed: 2 });
  await say(asked.alice, await asked.request(2), { approved: true });
  await ended(asked);
  const seen = await at.details('max', request.tool_call_id);
  expect(seen).toMatchObject({
    description: 'Sends a mail.',
    schema: mailSchema,
    status: 'completed',
    needed: 2,
    may_decide: true,
    remember: 'once',
    decision: { decision: 'approved', by: 'alice' },
  });
  expect(seen.audit.map(({ action, actor, via }) => [action, actor, via])).toEqual([
    ['asked', 'turngate', 'policy'],
    ['voted', 'alice', 'websocket'],
    ['edited', 'ada', 'http'],
    ['asked', 'turngate', 'policy'],
    ['voted', 'ada', 'http'],
    ['approved', 'alice', 'websocket'],
  ]);
  for (const entry of seen.audit.filter(({ actor }) => actor !== 'turngate')) {
    expect(entry.address).toMatch(/127\.0\.0\.1|::1/);
    expect(entry.body).toMatchObject({ tool_hash: request.tool_hash, arguments_hash: expect.any(String) });
  }
  const call = `where tool_call_id = '${request.tool_call_id}'`;
  for (const [statement, words] of [
    [`update approval_audit set actor = 'nobody' ${call}`, 'audit of approvals'],
    [`delete from approval_audit ${call}`, 'audit of approvals'],
    ['truncate approval_audit', 'kept as it is'],
    [`update decisions set decided_by = 'nobody' ${call}`, 'written once'],
    [`update decisions set round = round + 1 ${call}`, 'written once'],
    ['truncate decisions', 'kept as it is'],
  ] as const) {
    await expect(at.db.query(statement)).rejects.toThrow(words);
  }
  expect(problemIn(await at.api('mallory', `/v1/approvals/${request.tool_call_id}`))).toEqual([
    404,
    'not_found',
  ]);
});

test('several calls of one step are decided one by one, in any order', async () => {
  at.mailRule('remember: always');
  at.model.script((request) => {
    if (request.messages.at(-1)?.role === 'tool') return ['done'];
    return ['a', 'b', 'c'].map((to) => ({ toolCall: { name: 'mail__send', arguments: { to } } }));
  });
  const asked = await at.ask();
  await asked.alice.frame(
    'tool_approval_request',
    ({ arguments: args }) => JSON.stringify(args).includes('"c"'),
    waitMs,
  );
  const requests = asked.alice.of('tool_approval_request');
  const [a, b, c] = requests;
  if (!a || !b || !c) throw new Error('There are three.');
  await say(asked.alice, c, { approved: true });
  await asked.alice.frame('tool_result', ({ tool_call_id }) => tool_call_id === c.tool_call_id, waitMs);
  await say(asked.alice, a, { approved: false, reason: 'not a' });
  await say(asked.alice, b, { approved: true, arguments: { to: 'bb' } });
  await ended(asked);
  const results = asked.alice.of('tool_result').map(({ tool_call_id, status }) => [tool_call_id, status]);
  expect(new Map(results as [string, string][])).toEqual(
    new Map([
      [a.tool_call_id, 'rejected'],
      [b.tool_call_id, 'completed'],
      [c.tool_call_id, 'completed'],
    ]),
  );
  expect(at.sent().slice(-2)).toEqual([{ to: 'c' }, { to: 'bb' }]);
});
