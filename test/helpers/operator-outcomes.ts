import { expect } from '@jest/globals';
import type { Action } from './operator-actions.ts';
import { type Scene, type State, typesOf, untilCompleted } from './operator-states.ts';
import { eventually } from './turn-harness.ts';
import type { Whole } from './whole.ts';

interface Happening {
  at: Whole;
  scene: Scene;
  state: State;
  action: Action;
}

/** What a word of the operators' table means: does it, and holds the store and a client against it. */
export const outcomes: Record<string, (happening: Happening) => Promise<void>> = {
  async failed(happening) {
    await happening.action.act(happening.at, happening.scene);
    await expectEnded(happening, 'failed');
    const { scene } = happening;
    const [end] = scene.client.of('turn_end');
    expect(end?.error).toMatchObject({
      code: 'processing_error',
      message: expect.stringMatching(/terminated|not found/),
    });
    expect(scene.client.of('stream_reset').length).toBe(happening.state.streaming === undefined ? 0 : 1);
  },
  async cancelled(happening) {
    await happening.action.act(happening.at, happening.scene);
    await expectEnded(happening, 'cancelled');
    const { streaming } = happening.state;
    if (streaming === undefined) return;
    const [first] = happening.scene.client.of('stream_end');
    expect(first).toMatchObject({ content: streaming, finish_reason: 'cancelled' });
  },
  /** Not begun by this run: begun by the next. */
  async later(happening) {
    const { at, scene } = happening;
    const before = (await scene.handle.describe()).runId;
    await happening.action.act(at, scene);
    await release(happening);
    await expectUntouched(happening);
    expect(scene.client.of('turn_started')[0]?.run_id).not.toBe(before);
    expect(await rejectedOf(happening)).toEqual([]);
  },
  async nothing(happening) {
    await happening.action.act(happening.at, happening.scene);
    await release(happening);
    await expectUntouched(happening);
    expect(await rejectedOf(happening)).toEqual([]);
  },
  async ignored(happening) {
    await happening.action.act(happening.at, happening.scene);
    await release(happening);
    await expectUntouched(happening);
    const { recorded } = happening.action;
    const row = await eventually('the recorded signal', async () => (await rejectedOf(happening))[0]);
    expect(row).toMatchObject({
      signal: recorded?.signal,
      problem: expect.stringMatching(recorded?.problem ?? /$^/),
    });
    expect(await rejectedOf(happening)).toHaveLength(1);
  },
  async decided(happening) {
    const { at, scene, action } = happening;
    await action.act(at, scene);
    await expectUntouched(happening);
    expect(scene.client.of('tool_approval_resolved')).toMatchObject([
      { decision: 'approved', by: action.by },
    ]);
    const effects = at.effects().filter((effect) => effect.tool_call_id === scene.toolCallId);
    expect(effects).toHaveLength(1);
    if (action.edited !== undefined) expect(effects[0]?.text).toBe(action.edited);
    expect(await rejectedOf(happening)).toEqual([]);
  },
  async answered(happening) {
    const { at, scene, action } = happening;
    await action.act(at, scene);
    await expectUntouched(happening);
    expect(scene.client.of('input_resolved')).toMatchObject([{ action: 'accept', by: action.by }]);
    expect(await rejectedOf(happening)).toEqual([]);
  },
  async refused(happening) {
    await expect(happening.action.act(happening.at, happening.scene)).rejects.toThrow();
    await release(happening);
    await expectUntouched(happening);
    expect(await rejectedOf(happening)).toEqual([]);
  },
};

async function release({ scene }: Happening): Promise<void> {
  await scene.release();
}

/** The turn ends in this way for the client and in the store, nothing of it stays open, and the session goes on. */
async function expectEnded(happening: Happening, status: 'failed' | 'cancelled'): Promise<void> {
  const { at, scene, state } = happening;
  const behind = await at.say(scene.sessionId, 'plain');
  const end = await scene.client.frame('turn_end', undefined, 30_000);
  expect(end).toMatchObject({ turn_id: scene.turnId, status });
  const read = async (sql: string) => (await at.db.query<{ value: string }>(sql, [scene.turnId])).rows;
  expect(await read('select status as value from turns where id = $1')).toEqual([{ value: status }]);
  const calls = await read('select status as value from tool_calls where turn_id = $1 order by step');
  const results = calls.map(({ value }) => value);
  expect(results.filter((value) => value !== 'completed')).toEqual(state.openCall ? [state.openCall] : []);
  expect(scene.client.of('tool_result').map((result) => result.status)).toEqual(results);
  expect(await read('select id as value from input_requests where turn_id = $1 and action is null')).toEqual(
    [],
  );
  const answers = scene.client.of('input_resolved').map(({ action, by }) => ({ action, by }));
  const withdrawn = { action: 'cancel', by: 'turngate' };
  // An attempt that ends before its turn does still asks what became of it; then that is withdrawn with the turn.
  const isAskedAtLast = state.openCall === 'unknown' && answers.length === 1;
  expect(answers).toEqual(scene.requestId === null && !isAskedAtLast ? [] : [withdrawn]);
  if (state.untouched.includes('tool_approval_request')) {
    const decision = scene.client.of('tool_started').length > 0 ? 'approved' : 'withdrawn';
    expect(scene.client.of('tool_approval_resolved')).toMatchObject([{ decision }]);
  }
  await expectCompleted(happening, behind);
}

/** The turn's events are those that come when nobody interferes, and the session goes on. */
async function expectUntouched(happening: Happening): Promise<void> {
  const { at, scene, state } = happening;
  await scene.client.frame('turn_end', ({ turn_id }) => turn_id === scene.turnId, 30_000);
  expect(typesOf(scene)).toEqual(state.untouched);
  await expectCompleted(happening, await at.say(scene.sessionId, 'plain'));
}

/** The session's next turn runs, its run ends, and the client has got every event once and in order. */
async function expectCompleted({ scene }: Happening, turnId: string): Promise<void> {
  const end = await scene.client.frame('turn_end', ({ turn_id }) => turn_id === turnId, 30_000);
  expect(end.status).toBe('completed');
  await untilCompleted(scene.handle);
  expect(scene.client.breaches).toEqual([]);
}

async function rejectedOf({ at, scene }: Happening): Promise<{ signal: string; problem: string }[]> {
  const text = 'select signal, problem, payload from rejected_signals where session_id = $1';
  return (await at.db.query(text, [scene.sessionId])).rows;
}
