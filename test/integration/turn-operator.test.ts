import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sessionWorkflowId, type TurnState } from '../../src/protocol/turn-workflow.ts';
import { fromSetup } from '../helpers/database.ts';
import type { Reply } from '../helpers/scripted-model.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
});
afterAll(() => at.close());

const askThenOk = (request: { messages: { role: string }[] }): Reply =>
  request.messages.at(-1)?.role === 'tool'
    ? ['ok']
    : [{ toolCall: { name: 'test__effect', arguments: { text: 'operator' } } }];

function temporal(...args: string[]): string {
  const where = ['--address', at.config.TEMPORAL_ADDRESS];
  return execFileSync(fromSetup('TURNGATE_TEST_TEMPORAL_BIN'), [...args, ...where], { encoding: 'utf8' });
}

test('approvals for calls that do not wait are kept up to a bound; the oldest go, and it is recorded', async () => {
  const worker = await at.startWorker();
  at.model.script(askThenOk);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  const handle = at.client.workflow.getHandle(sessionWorkflowId(sessionId));
  for (let number = 1; number <= 103; number += 1)
    await handle.signal('approval', { tool_call_id: `none-${number}`, approved: true });
  const recorded = await eventually('three records', async () => {
    const { rows } = await at.db.query(
      'select problem, payload from rejected_signals where session_id = $1 order by created_at',
      [sessionId],
    );
    return rows.length >= 3 && rows;
  });
  expect(recorded.map(({ problem }) => problem)).toEqual(Array(3).fill(expect.stringContaining('oldest')));
  expect(recorded.map(({ payload }) => JSON.parse(payload).tool_call_id).toSorted()).toEqual([
    'none-1',
    'none-2',
    'none-3',
  ]);
  expect(await handle.query<TurnState, []>('turnState')).toMatchObject({ rejectedSignals: 3 });
  // The newest is never the one that goes.
  await handle.signal('approval', { tool_call_id, approved: true });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  expect(await at.event(sessionId, 'tool_result')).toMatchObject({ status: 'completed' });
  await worker.close();
});

test('an operator sees who waits for what since when, and approves with the CLI [signal-approval]', async () => {
  const worker = await at.startWorker();
  at.model.script(askThenOk);
  const sessionId = await at.session();
  const turnId = await at.say(sessionId, 'go');
  const asked = await at.event(sessionId, 'tool_approval_request');
  const handle = at.client.workflow.getHandle(sessionWorkflowId(sessionId));

  // In the list: found by the state, with user, session and tool.
  const query = `TurngateState = 'waiting_approval' and TurngateUser = 'alice' and TurngateTool = 'test.effect' and TurngateSession = '${sessionId}'`;
  await eventually('the run in the list', async () => (await at.client.workflow.count(query)).count === 1);

  // On the run's page: summary, current details, and the timer and activities by name.
  const description = await handle.describe();
  expect(await description.staticSummary()).toBe(`Session ${sessionId}`);
  const details = (await handle.query<{ currentDetails: string }, []>('__temporal_workflow_metadata'))
    .currentDetails;
  expect(details).toContain(`user \`alice\` waits for **1** approval`);
  expect(details).toContain('### Approval: `test.effect`');
  expect(details).toContain('"text": "operator"');
  const since = /waiting since: (\S+Z), expires: (\S+Z)/.exec(details);
  expect(Math.abs(Date.parse(since?.[1] ?? '') - asked.ts)).toBeLessThan(5_000);
  expect(Math.abs(Date.parse(since?.[2] ?? '') - asked.expires_at)).toBeLessThan(5_000);
  const { events = [] } = await handle.fetchHistory();
  const summaries = events?.flatMap((event) => {
    const data = event.userMetadata?.summary?.data;
    return data ? [JSON.parse(Buffer.from(data).toString('utf8'))] : [];
  });
  expect(summaries).toEqual(
    expect.arrayContaining([`Session ${sessionId}`, 'step 1', 'approval of test.effect expires']),
  );
  const state = await handle.query<TurnState, []>('turnState');
  expect(state).toMatchObject({
    turnId,
    step: 1,
    state: 'waiting_approval',
    gates: [
      { toolCallId: asked.tool_call_id, tool: 'test.effect', state: 'waiting', rule: 'ask-by-default' },
    ],
  });

  const input = JSON.stringify({ tool_call_id: asked.tool_call_id, approved: true });
  temporal(
    'workflow',
    'signal',
    '--workflow-id',
    sessionWorkflowId(sessionId),
    '--name',
    'approval',
    '--input',
    input,
  );
  expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({ by: 'operator' });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  await worker.close();
});

test('where operators may not decide by signal, such a signal is recorded and the gate stays [signal-refuse]', async () => {
  const worker = await at.startWorker({ OPERATOR_SIGNALS: 'refuse' });
  at.model.script(askThenOk);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  const handle = at.client.workflow.getHandle(sessionWorkflowId(sessionId));
  await handle.signal('approval', { tool_call_id, approved: true });
  await eventually('the recorded signal', async () => {
    const { rows } = await at.db.query('select problem from rejected_signals where session_id = $1', [
      sessionId,
    ]);
    return rows[0]?.problem.includes('OPERATOR_SIGNALS');
  });
  await at.decide(sessionId, tool_call_id, true);
  expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({ by: 'alice' });
  expect(await at.event(sessionId, 'turn_end')).toMatchObject({ status: 'completed' });
  await worker.close();
});

test('cancelling the workflow in the UI cancels the turn, and what waits behind it runs', async () => {
  const worker = await at.startWorker();
  at.model.script((request) =>
    request.messages.at(-1)?.content === 'stuck' ? ['said', { hang: true }] : ['re: next'],
  );
  const sessionId = await at.session();
  const stuck = await at.say(sessionId, 'stuck');
  await eventually('a draft', async () => {
    const { rows } = await at.db.query('select content from drafts where session_id = $1', [sessionId]);
    return rows[0]?.content === 'said';
  });
  const next = await at.say(sessionId, 'next');
  await at.client.workflow.getHandle(sessionWorkflowId(sessionId)).cancel();
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === stuck)).toMatchObject({
    status: 'cancelled',
  });
  expect(await at.event(sessionId, 'stream_end', (event) => event.turn_id === stuck)).toMatchObject({
    content: 'said',
  });
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === next)).toMatchObject({
    status: 'completed',
  });
  await worker.close();
});

test('resetting a run fails the turn it had, and the session goes on', async () => {
  const worker = await at.startWorker();
  at.model.script(askThenOk);
  const sessionId = await at.session();
  const first = await at.say(sessionId, 'go');
  await at.event(sessionId, 'tool_approval_request');
  temporal(
    'workflow',
    'reset',
    '--workflow-id',
    sessionWorkflowId(sessionId),
    '--type',
    'FirstWorkflowTask',
    '--reason',
    'test',
  );
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === first)).toMatchObject({
    status: 'failed',
    error: { code: 'processing_error' },
  });
  expect(await at.event(sessionId, 'tool_approval_resolved')).toMatchObject({ decision: 'withdrawn' });
  at.model.script(() => ['hello again']);
  const second = await at.say(sessionId, 'again');
  expect(await at.event(sessionId, 'turn_end', (event) => event.turn_id === second)).toMatchObject({
    status: 'completed',
  });
  await worker.close();
});

test('a gate that waits costs no signal, however long the reconciler looks at it', async () => {
  const worker = await at.startWorker();
  at.model.script(askThenOk);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  // Days pass for the rows: everything of this session is due, again and again.
  for (let day = 0; day < 5; day += 1) {
    await at.db.query(`update turns set next_check_at = now() - interval '1 day' where session_id = $1`, [
      sessionId,
    ]);
    await eventually('the look of the reconciler', async () => {
      const { rows } = await at.db.query(
        'select next_check_at > now() as looked from turns where session_id = $1',
        [sessionId],
      );
      return rows[0]?.looked;
    });
  }
  const { events = [] } = await at.client.workflow.getHandle(sessionWorkflowId(sessionId)).fetchHistory();
  const signals = events?.filter((event) => event.workflowExecutionSignaledEventAttributes);
  expect(signals).toHaveLength(1);
  await at.decide(sessionId, tool_call_id, false);
  await at.event(sessionId, 'turn_end');
  await worker.close();
});
