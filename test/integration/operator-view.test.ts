import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { SearchAttributeValue } from '@temporalio/common';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { sessionWorkflowId, type TurnState } from '../../src/protocol/turn-workflow.ts';
import { type Asked, type GateHarness, openGateHarness } from '../helpers/gate-harness.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { eventually } from '../helpers/turn-harness.ts';

let at: GateHarness;
beforeAll(async () => {
  at = await openGateHarness();
});
afterAll(() => at.close());

const handleOf = ({ sessionId }: Asked) => at.client.workflow.getHandle(sessionWorkflowId(sessionId));

/** Current details, as the Temporal UI asks for them. */
async function pageOf(asked: Asked): Promise<string> {
  const metadata = await handleOf(asked).query<{ currentDetails: string }, []>(
    '__temporal_workflow_metadata',
  );
  return metadata.currentDetails;
}

const untilPage = (asked: Asked, words: string) =>
  eventually(`"${words}" on the page`, async () => {
    const page = await pageOf(asked);
    return page.includes(words) && page;
  });

async function listed(asked: Asked): Promise<Record<string, SearchAttributeValue>> {
  const { typedSearchAttributes } = await handleOf(asked).describe();
  const shown = typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]);
  return Object.fromEntries(shown);
}

async function summariesOf(asked: Asked): Promise<string[]> {
  const { events = [] } = await handleOf(asked).fetchHistory();
  return (events ?? []).flatMap((event) => {
    const data = event.userMetadata?.summary?.data;
    return data ? [JSON.parse(Buffer.from(data).toString('utf8'))] : [];
  });
}

const stateOf = (asked: Asked) => handleOf(asked).query<TurnState, []>('turnState');
const rule = (more: string) =>
  at.policy(`  - { id: mails, decide: ask, reason: Mails leave the house, ${more} }`);
type Request = Extract<ServerFrame, { type: 'tool_approval_request' }>;

function approve(user: string, request: Request, more: object = {}) {
  const body = { approved: true, round: request.round, ...more };
  return at.api(user, `/v1/approvals/${request.tool_call_id}`, { body });
}

test('who may decide, who has, what was changed and by when: on the page, in the list, and by the query', async () => {
  rule('needed: 2, approvers: { roles: [owner, approver] }');
  const asked = await at.ask({ to: 'bob' });
  const request = await asked.request();
  const first = await untilPage(asked, 'waits for **1** approval.');
  for (const words of [
    '### Approval: `mail.send`',
    `- call: \`${request.tool_call_id}\``,
    `, expires: ${new Date(request.expires_at).toISOString()}`,
    '- may decide: `ada`, `alice`',
    '- approvals needed: 2, so far none',
    '- rule: `mails`, because: `Mails leave the house`',
    '"to": "bob"',
  ]) {
    expect(first).toContain(words);
  }
  const shown = await listed(asked);
  expect(shown).toMatchObject({
    TurngateState: 'waiting_approval',
    TurngateSession: asked.sessionId,
    TurngateTool: ['mail.send'],
    TurngateApprover: ['ada', 'alice'],
  });
  const since = shown.TurngateWaitingSince as unknown as Date;
  expect(Math.abs(since.getTime() - request.ts)).toBeLessThan(5_000);
  expect(first).toContain(`- waiting since: ${since.toISOString()}`);

  await approve('alice', request);
  expect(await untilPage(asked, '- approvals needed: 2, so far 1: `alice`')).not.toContain('this is round');
  await approve('ada', request, { arguments: { to: 'carol' } });
  const second = await untilPage(asked, '- asked again: this is round 2');
  expect(second).toContain('"to": "carol"');
  expect(second).toContain('- approvals needed: 2, so far 1: `ada`');
  expect(await stateOf(asked)).toMatchObject({
    turnId: asked.turnId,
    state: 'waiting_approval',
    question: null,
    gates: [
      {
        toolCallId: request.tool_call_id,
        state: 'waiting',
        since: since.getTime(),
        rule: 'mails',
        approvers: ['ada', 'alice'],
        approvedBy: ['ada'],
        needed: 2,
        round: 2,
        level: 0,
      },
    ],
  });

  await approve('alice', await asked.request(2));
  await asked.alice.frame('turn_end', undefined, 30_000);
  const after = await listed(asked);
  expect(after).toMatchObject({ TurngateState: 'running', TurngateUser: 'alice' });
  for (const name of ['Approver', 'Tool', 'WaitingSince'])
    expect(after).not.toHaveProperty(`Turngate${name}`);
  expect(at.sent().at(-1)).toEqual({ to: 'carol' });
});

test('reminders and escalation: the page follows them, and timers and activities say what they are for', async () => {
  rule(
    'approvers: { roles: [approver] }, timeout: 3s, remind_every: 1s, on_timeout: { escalate: [{ approvers: { users: [boss] }, timeout: 60s }] }',
  );
  const asked = await at.ask({ to: 'late' });
  const request = await asked.request();
  const page = await untilPage(asked, '- escalated: once');
  expect(page).toContain('- may decide: `ada`, `boss`');
  expect(await listed(asked)).toMatchObject({ TurngateApprover: ['ada', 'boss'] });
  const escalated = await asked.alice.frame('tool_approval_request', ({ level }) => level === 1);
  expect(page).toContain(`expires: ${new Date(escalated.expires_at).toISOString()}`);
  const { tool_call_id } = request;
  await handleOf(asked).signal('approval', { tool_call_id, approved: false, reason: 'no' });
  await asked.alice.frame('turn_end', undefined, 30_000);
  const summaries = await summariesOf(asked);
  for (const summary of [
    'step 1',
    'reminder of mail.send',
    'gate of mail.send',
    'approval of mail.send expires',
    'verdict on mail.send',
  ]) {
    expect(summaries).toContain(summary);
  }
});

test('an operator who says which round he means decides no other one [signal-round]', async () => {
  rule('needed: 2');
  const asked = await at.ask({ to: 'bob' });
  const { tool_call_id, round } = await asked.request();
  await approve('alice', await asked.request(), { arguments: { to: 'carol' } });
  await untilPage(asked, 'this is round 2');
  await handleOf(asked).signal('approval', { tool_call_id, approved: true, round });
  const ignored = await eventually('the recorded signal', async () => {
    const sql = 'select signal, problem from rejected_signals where session_id = $1';
    return (await at.db.query(sql, [asked.sessionId])).rows[0];
  });
  expect(ignored).toMatchObject({
    signal: 'approval',
    problem: expect.stringContaining('asked about again'),
  });
  await handleOf(asked).signal('approval', { tool_call_id, approved: true, round: 2 });
  expect(await asked.alice.frame('tool_approval_resolved', undefined, 30_000)).toMatchObject({
    decision: 'approved',
    by: 'operator',
  });
  await asked.alice.frame('turn_end', undefined, 30_000);
});

test('arguments of an operator run instead; such that the tool does not take are ignored, and the gate stays [signal-arguments]', async () => {
  rule('needed: 1');
  const asked = await at.ask({ to: 'bob' });
  const { tool_call_id } = await asked.request();
  const approval = { tool_call_id, approved: true };
  await handleOf(asked).signal('approval', { ...approval, arguments: { to: 5 } });
  const ignored = await eventually('the recorded signal', async () => {
    const sql = 'select problem from rejected_signals where session_id = $1';
    return (await at.db.query(sql, [asked.sessionId])).rows[0];
  });
  expect(ignored.problem).toMatch(/^Field "arguments"/);
  await handleOf(asked).signal('approval', { ...approval, arguments: { to: 'dave' } });
  expect(await asked.alice.frame('tool_approval_resolved', undefined, 30_000)).toMatchObject({
    by: 'operator',
    arguments: { to: 'dave' },
    original_arguments: { to: 'bob' },
  });
  await asked.alice.frame('turn_end', undefined, 30_000);
  expect(at.sent().at(-1)).toEqual({ to: 'dave' });
});

test('a turn that waits for nobody costs no upsert', async () => {
  at.policy('  - { id: free, decide: allow }');
  const asked = await at.ask({ to: 'bob' });
  await asked.alice.frame('turn_end', undefined, 30_000);
  const { events } = await handleOf(asked).fetchHistory();
  const upserts = events?.filter((event) => event.upsertWorkflowSearchAttributesEventAttributes);
  expect(events?.length).toBeGreaterThan(10);
  expect(upserts).toEqual([]);
});

test('words of a model that mean to be links, images and headings stand on the page as they are', async () => {
  rule('needed: 1');
  const to = '```\n# Approved ![x](http://evil.test/x.png) <img src=x onerror=alert(1)> `\u202e';
  const asked = await at.ask({ to });
  const request = await asked.request();
  const page = await untilPage(asked, 'Approved');
  expect(page).toContain('````json\n');
  expect(page).toContain('\\u{202e}');
  expect(page.split('\n').filter((line) => line.startsWith('#'))).toEqual(['### Approval: `mail.send`']);
  await approve('alice', request);
  await asked.alice.frame('turn_end', undefined, 30_000);
});

test('more people than the list has room for do not hold the run', async () => {
  rule('approvers: { roles: [approver] }');
  const sessionId = await at.session();
  const people = Array.from({ length: 60 }, (_, n) => `${'\u00fc'.repeat(120)}${n}`);
  await seatParticipants(at.db, sessionId, Object.fromEntries(people.map((id) => [id, 'approver'])));
  const turnId = await at.say(sessionId, JSON.stringify({ to: 'many' }));
  const asked = { sessionId, turnId } as Asked;
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  expect(await untilPage(asked, ' and 50 more')).toContain('### Approval');
  const approvers = (await listed(asked)).TurngateApprover as string[];
  expect(approvers.length).toBeGreaterThan(3);
  expect(Buffer.byteLength(JSON.stringify(approvers))).toBeLessThan(2_048);
  await handleOf(asked).signal('approval', { tool_call_id, approved: false });
  await at.event(sessionId, 'turn_end');
});
