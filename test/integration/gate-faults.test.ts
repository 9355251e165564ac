import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { type GateHarness, openGateHarness } from '../helpers/gate-harness.ts';
import { resultOf, say } from '../helpers/gate-talk.ts';
import { refuseCommits } from '../helpers/refuse-commits.ts';
import { eventually } from '../helpers/turn-harness.ts';

let at: GateHarness;
beforeAll(async () => {
  at = await openGateHarness();
});
afterAll(() => at.close());

/** Why the attempts of the session's tool call failed so far. */
async function lastFailure(sessionId: string): Promise<string | null | undefined> {
  const { raw } = await at.client.workflow.getHandle(sessionWorkflowId(sessionId)).describe();
  return raw.pendingActivities?.[0]?.lastFailure?.message;
}

test("an approval outlives that its tool's server is away when the call is to run", async () => {
  at.policy('  - { id: mail, tool: mail.send, decide: ask }');
  const asked = await at.ask({ to: 'bob' });
  const request = await asked.request();
  at.down();
  expect(await say(asked.alice, request, { approved: true })).toMatchObject({ disposition: 'recorded' });
  await eventually('an attempt that found the server away', async () =>
    /tool\.json/.test((await lastFailure(asked.sessionId)) ?? ''),
  );
  expect(at.sent()).toEqual([]);
  at.tool({});
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });
  expect(at.sent()).toEqual([{ to: 'bob' }]);
  expect(asked.alice.frames.filter(({ type }) => type === 'tool_approval_request')).toHaveLength(1);
});

test('an approval outlives that the policy is broken when the call is to run', async () => {
  at.policy('  - { id: mail, tool: mail.send, decide: ask }');
  const asked = await at.ask({ to: 'dan' });
  const request = await asked.request();
  at.policy('  - { id: mail, decide: perhaps }');
  expect(await say(asked.alice, request, { approved: true })).toMatchObject({ disposition: 'recorded' });
  await eventually('an attempt that found the policy broken', async () =>
    /broken policy/.test((await lastFailure(asked.sessionId)) ?? ''),
  );
  at.policy('  - { id: mail, tool: mail.send, decide: ask }');
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });
  expect(at.sent().filter(({ to }) => to === 'dan')).toHaveLength(1);
});

test('a decision whose commit fails after its run was woken opens nothing, and can be made again', async () => {
  at.policy('  - { id: mail, tool: mail.send, decide: ask }');
  const asked = await at.ask({ to: 'carl' });
  const request = await asked.request();
  const acceptAgain = await refuseCommits(at.db, 'decisions');
  expect(await say(asked.alice, request, { approved: true })).toMatchObject({
    type: 'error',
    code: 'processing_error',
  });
  const handle = at.client.workflow.getHandle(sessionWorkflowId(asked.sessionId));
  await eventually('the look of the run that was woken for nothing', async () => {
    const { events } = await handle.fetchHistory();
    return events?.some(({ activityTaskCompletedEventAttributes: done }) =>
      String(done?.result?.payloads?.[0]?.data).includes('"asked"'),
    );
  });
  await acceptAgain();
  expect(await say(asked.alice, request, { approved: true })).toMatchObject({ disposition: 'recorded' });
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });
  expect(at.sent().filter(({ to }) => to === 'carl')).toHaveLength(1);
  const types = asked.alice.frames.map(({ type }) => type);
  expect(types.filter((type) => type === 'tool_approval_resolved')).toHaveLength(1);
});
