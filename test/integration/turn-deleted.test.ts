import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { transaction } from '../../src/store/db.ts';
import { deleteSession } from '../../src/store/session-changes.ts';
import { eventually, openTurnHarness, type TurnHarness } from '../helpers/turn-harness.ts';

let at: TurnHarness;
beforeAll(async () => {
  at = await openTurnHarness();
  await at.startWorker();
});
afterAll(() => at.close());

/** As a gateway deletes it that dies before it could tell anybody: the workers find it by themselves. */
const remove = (sessionId: string) =>
  transaction(at.db, (tx) => deleteSession(tx, { sessionId, userId: 'alice' }));

const left = async (sessionId: string) => {
  const { rows } = await at.db.query<{ n: number }>(
    `select (select count(*) from sessions where id = $1) + (select count(*) from turns where session_id = $1)
       + (select count(*) from messages where session_id = $1) + (select count(*) from events where session_id = $1)
       + (select count(*) from tool_calls where session_id = $1) + (select count(*) from drafts where session_id = $1)
       + (select count(*) from attachments where session_id = $1) as n`,
    [sessionId],
  );
  return rows[0]?.n ?? 0;
};

async function closedRun(sessionId: string): Promise<boolean> {
  const query = `WorkflowId = 'session:${sessionId}' and ExecutionStatus = 'Running'`;
  for await (const _ of at.client.workflow.list({ query })) return false;
  return true;
}

test('a session that is deleted while its turn streams: the model is told to stop, and nothing is left', async () => {
  let gone: AbortSignal | undefined;
  at.model.script((request) => {
    gone = request.gone;
    return ['It begins', { hang: true }];
  });
  const sessionId = await at.session();
  await at.say(sessionId, 'go on and on');
  await at.say(sessionId, 'and then');
  await at.event(sessionId, 'stream_start');
  await eventually('the request', async () => gone);
  expect(await remove(sessionId)).toEqual({ running: expect.any(String) });
  await eventually('the end of the request', async () => gone?.aborted);
  await eventually('the end of its rows', async () => (await left(sessionId)) === 0);
  await eventually('the end of its run', () => closedRun(sessionId));
  expect(at.model.requests.filter(({ messages }) => JSON.stringify(messages).includes('and then'))).toEqual(
    [],
  );
});

test('one in which an approval waits: the gate is gone, nothing ran, and nothing is left', async () => {
  at.model.script(() => [{ toolCall: { name: 'test__effect', arguments: { text: 'never' } } }]);
  const sessionId = await at.session();
  await at.say(sessionId, 'do it');
  const { tool_call_id } = await at.event(sessionId, 'tool_approval_request');
  await remove(sessionId);
  await eventually('the end of its rows', async () => (await left(sessionId)) === 0);
  await eventually('the end of its run', () => closedRun(sessionId));
  expect(at.effects().filter((effect) => effect.tool_call_id === tool_call_id)).toEqual([]);
});
