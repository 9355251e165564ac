import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { refuseCommits } from '../helpers/refuse-commits.ts';
import { eventually } from '../helpers/turn-harness.ts';
import { openWhole, type Whole } from '../helpers/whole.ts';

let at: Whole;
beforeAll(async () => {
  at = await openWhole();
});
afterAll(() => at.close());

test('a message whose commit fails after its session was woken is none, and can be sent again', async () => {
  at.model.script(() => ['hello']);
  const sessionId = await at.session();
  const alice = await at.connect(sessionId);
  const acceptAgain = await refuseCommits(at.db, 'messages');
  const message = { type: 'message', id: 'm1', content: 'hi' };
  alice.send(message);
  expect(await alice.frame('error')).toMatchObject({ id: 'm1', code: 'processing_error' });
  const handle = at.client.workflow.getHandle(sessionWorkflowId(sessionId));
  await eventually('the end of the run that was woken for nothing', async () => {
    const { status } = await handle.describe().catch(() => ({ status: null }));
    return status?.name === 'COMPLETED';
  });
  expect(at.model.requests).toEqual([]);
  await acceptAgain();
  alice.send(message);
  expect(await alice.frame('ack')).toMatchObject({ id: 'm1', disposition: 'started' });
  expect(await alice.frame('turn_end', undefined, 30_000)).toMatchObject({ status: 'completed' });
  expect(at.model.requests).toHaveLength(1);
});
