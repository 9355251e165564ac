import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { createSession } from '../../src/store/sessions.ts';
import { requestCancel } from '../../src/store/turns.ts';
import { fromSetup } from '../helpers/database.ts';
import type { Reply } from '../helpers/scripted-model.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker({ MODEL_MAX_ATTEMPTS: '3' });
});
afterAll(() => at.close());

const effect = (text: string) => ({ toolCall: { name: 'test__effect', arguments: { text } } });
const askThenOk =
  (...calls: ReturnType<typeof effect>[]) =>
  (request: { messages: { role: string }[] }): Reply =>
    request.messages.at(-1)?.role === 'tool' ? ['ok'] : calls;
const handleOf = (sessionId: string) => at.client.workflow.getHandle(sessionWorkflowId(sessionId));
async function detailsOf(sessionId: string): Promise<string> {
  const metadata = await handleOf(sessionId).query<{ currentDetails: string }, []>(
    '__temporal_workflow_metadata',
  );
  return metadata.currentDetails;
}

/** Waits at a gate, then resets the run to its last workflow task, behind the step that asked. Answers the turn. */
async function resetAtGate(sessionId: string): Promise<string> {
  at.model.script(askThenOk(effect('reset')));
  const turnId = await at.say(sessionId, 'go');
  await at.event(sessionId, 'tool_approval_request');
  await eventually('the gate', async () => (await detailsOf(sessionId)).includes('waits for'));
  const workflow = ['--workflow-id', sessionWorkflowId(sessionId), '--address', at.config.TEMPORAL_ADDRESS];
  execFileSync(fromSetup('TURNGATE_TEST_TEMPORAL_BIN'), [
    ...['workflow', 'reset', '--type', 'LastWorkflowTask', '--reason', 'test'],
    ...workflow,
  ]);
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ turn_id: turnId, status: 'failed' });
  return turnId;
}

test('a run that was reset to its gate ends, because the turn is not its own', async () => {
  const sessionId = await at.session();
  await resetAtGate(sessionId);
  await eventually('the end of the run', async () => {
    const { status } = await handleOf(sessionId).describe();
    return status.name === 'COMPLETED';
  });
});

test('a run that was reset to its gate does not hold what comes after', async () => {
  const sessionId = await at.session();
  const first = await resetAtGate(sessionId);
  at.model.script(() => ['hello again']);
  const second = await at.say(sessionId, 'again');
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id !== first)).toMatchObject({
    turn_id: second,
    status: 'completed',
  });
});

test('a decision whose reason no database can carry does not close its gate to the next', async () => {
  at.model.script(askThenOk(effect('nul')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await handleOf(sessionId).signal('approval', { tool_call_id, approved: false, reason: 'a\u0000b' });
  await at.event(sessionId, 'turn_end');
});

test('a signal whose name no database can carry does not hold the run', async () => {
  at.model.script(askThenOk(effect('name')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await handleOf(sessionId).signal('a\u0000b');
  await at.decide(sessionId, tool_call_id, false);
  await at.event(sessionId, 'turn_end');
  await eventually(
    'the end of the run',
    async () => (await handleOf(sessionId).describe()).status.name === 'COMPLETED',
  );
});

test('arguments that together are larger than a payload may be are cut for the operator', async () => {
  at.model.script(
    askThenOk(...Array.from({ length: 32 }, (_, n) => effect(`${n}${'\u4e16'.repeat(33_000)}`))),
  );
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  await at.event(sessionId, 'tool_approval_request');
  await eventually('the gates', async () => (await detailsOf(sessionId)).includes('waits for **32**'));
});

test('what no attempt gets over, such as an agent that does not exist, fails the turn', async () => {
  const { id: sessionId } = await createSession(at.db, { tenant: 't', userId: 'alice', agent: 'nobody' });
  await at.say(sessionId, 'go');
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'failed' });
});

test('a signal that names a decision that is not there leaves the gate waiting, and shown as waiting [signal-decision_id]', async () => {
  at.model.script(askThenOk(effect('bogus')));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await handleOf(sessionId).signal('approval', { tool_call_id, approved: true, decision_id: 'none' });
  await eventually('the look', async () => {
    const { events } = await handleOf(sessionId).fetchHistory();
    return events?.some((event) => event.activityTaskCompletedEventAttributes && Number(event.eventId) > 15);
  });
  await eventually('the gate shown', async () => (await detailsOf(sessionId)).includes('waits for **1**'));
});

test('the run that follows a cancelled gate is not shown as waiting', async () => {
  const free = Promise.withResolvers<void>();
  at.model.script((request) =>
    request.messages.at(-1)?.content === 'next' ? ['a', { until: free.promise }, 'b'] : [effect('cancelled')],
  );
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  await at.event(sessionId, 'tool_approval_request');
  await eventually('the gate', async () => (await detailsOf(sessionId)).includes('waits for'));
  const next = await at.say(sessionId, 'next');
  const cancelled = await requestCancel(at.db, { sessionId, userId: 'alice' });
  await at.turns.cancel(sessionId, cancelled.turnId);
  await at.event(sessionId, 'stream_start', (event) => event.turn_id === next);
  const { typedSearchAttributes } = await handleOf(sessionId).describe();
  const shown = typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]);
  free.resolve();
  expect(Object.fromEntries(shown)).toMatchObject({ TurngateState: 'running' });
});

test('a finish reason that no database can carry does not fail its step', async () => {
  at.model.script(() => ['said', { finish: 'stop\u0000' as 'stop' }]);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await at.event(sessionId, 'stream_end')).toMatchObject({ finish_reason: 'stop\uFFFD' });
});
