import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { openFolder, removeFolder } from '../helpers/services.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

/*
 * The list of runs is written by the server before it hands out what the same workflow task schedules. So what a person let
 * run does not wait for the list, which is behind for a moment, and never for longer.
 */
const scratch = openFolder('turngate-list-');
let at: TurnHarness;
let worker: Awaited<ReturnType<TurnHarness['startWorker']>>;
beforeAll(async () => {
  at = await openTurnHarness();
  worker = await at.startWorker();
});
afterAll(async () => {
  await worker?.close();
  await at?.close();
  removeFolder(scratch);
});

const runOf = (sessionId: string) => at.client.workflow.getHandle(sessionWorkflowId(sessionId));

/** Asks for these calls, all at once, and says ok. */
function calls(...asked: [name: string, args: Record<string, unknown>][]): void {
  at.model.script(({ messages }) =>
    messages.at(-1)?.role === 'tool'
      ? ['ok']
      : asked.map(([name, args]) => ({ toolCall: { name, arguments: args } })),
  );
}

const requestOf = (sessionId: string, tool: string) =>
  at.event(sessionId, 'tool_approval_request', (request) => request.tool === tool);

const countIn = async (sessionId: string, query: string) =>
  (await at.client.workflow.count(`TurngateSession = '${sessionId}' and ${query}`)).count;

/** The types of the events that each workflow task has made, in order. */
async function tasksOf(sessionId: string): Promise<string[][]> {
  const { events } = await runOf(sessionId).fetchHistory();
  const tasks = new Map<string, string[]>();
  for (const event of events ?? []) {
    const made = Object.entries(event).find(
      ([name, value]) => name.endsWith('Attributes') && value?.workflowTaskCompletedEventId,
    );
    if (made === undefined) continue;
    const id = String(made[1].workflowTaskCompletedEventId);
    tasks.set(id, [...(tasks.get(id) ?? []), made[0].replace('EventAttributes', '')]);
  }
  return [...tasks.values()];
}

const upsert = 'upsertWorkflowSearchAttributes';

test('that a call runs which waited is on the page at once, in the list within about a second, and the call waits for neither', async () => {
  const file = join(scratch, 'go on');
  calls(['test__hold_effect', { file }], ['test__effect', { text: 'the other' }]);
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  const held = await requestOf(sessionId, 'test.hold_effect');
  const other = await requestOf(sessionId, 'test.effect');
  const isListed = `TurngateTool = 'test.hold_effect'`;
  await eventually('both in the list', async () => (await countIn(sessionId, isListed)) === 1);

  await at.decide(sessionId, held.tool_call_id, true);
  await eventually('the held call', async () => at.effects().some(({ text }) => text === file));
  const page = await runOf(sessionId).query<{ currentDetails: string }, []>('__temporal_workflow_metadata');
  expect(page.currentDetails).toContain('waits for **1** approval');
  expect(page.currentDetails).not.toContain('hold');
  await eventually('the list without the held call', async () => (await countIn(sessionId, isListed)) === 0);
  const others = `TurngateTool = 'test.effect' and TurngateState = 'waiting_approval'`;
  expect(await countIn(sessionId, others)).toBe(1);

  await at.decide(sessionId, other.tool_call_id, true);
  await eventually(
    'a list where nothing waits',
    async () => (await countIn(sessionId, `TurngateState = 'running' and TurngateTool is null`)) === 1,
  );
  writeFileSync(file, '');
  await at.event(sessionId, 'turn_end');
  const lettingRun = (await tasksOf(sessionId)).filter((made) => made.includes('timerStarted')).slice(1);
  expect(lettingRun).toEqual(Array(2).fill(['timerStarted', 'activityTaskScheduled']));
});

test('a call that ends sooner costs no workflow task more: the list is right with the next one', async () => {
  calls(['test__effect', { text: 'quick' }]);
  const sessionId = await eventually('a call that was quick', async () => {
    const one = await at.session();
    await at.say(one, 'go');
    const { tool_call_id } = await requestOf(one, 'test.effect');
    await at.decide(one, tool_call_id, true);
    await at.event(one, 'turn_end');
    const [decided, ended] = [
      await at.event(one, 'tool_approval_resolved'),
      await at.event(one, 'tool_result'),
    ];
    return ended.ts - decided.ts < 500 && one;
  });
  await eventually(
    'the end of the run',
    async () => (await runOf(sessionId).describe()).status.name === 'COMPLETED',
  );
  expect(await tasksOf(sessionId)).toEqual([
    ['activityTaskScheduled'],
    expect.arrayContaining([upsert, 'timerStarted']),
    ['timerStarted', 'activityTaskScheduled'],
    expect.arrayContaining(['timerCanceled', upsert, 'activityTaskScheduled']),
    ['workflowExecutionCompleted'],
  ]);
  const { typedSearchAttributes } = await runOf(sessionId).describe();
  const shown = typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]);
  expect(Object.fromEntries(shown)).toMatchObject({ TurngateState: 'running' });
  expect(shown.map(([name]) => name)).not.toContain('TurngateTool');
});
