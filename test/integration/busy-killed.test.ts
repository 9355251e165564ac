import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type BusyHarness, openBusyHarness } from '../helpers/busy-harness.ts';

/* A worker is killed with a turn under way, a message stops that turn, and another worker comes. */
let harness: BusyHarness;
beforeAll(async () => {
  harness = await openBusyHarness();
});
afterAll(() => harness.close());

test.each([
  ['streaming', 'interrupt', ['user: first', 'user: second', 'assistant: answer 2']],
  ['holdingOnce', 'rollback', ['user: second', 'assistant: answer 2']],
] as const)('while %s, the %s comes about', async (way, onBusy, shown) => {
  const { at } = harness;
  const killed = at.spawnWorker();
  try {
    const session = await harness.open();
    const held = await session[way]();
    killed.kill('SIGKILL');
    const ack = await session.say('second', onBusy);
    expect(ack).toMatchObject({ disposition: 'interrupted' });
    const worker = await at.startWorker();
    expect(await session.end(held.turnId)).toMatchObject({ status: 'cancelled' });
    expect(await session.end(ack.type === 'ack' ? ack.turn_id : '')).toMatchObject({ status: 'completed' });
    // What the killed worker had said is there where its draft was written.
    const messages = (await session.messages()).filter((line) => !line.startsWith('assistant: so far'));
    expect(messages).toEqual(shown);
    expect(at.effects().filter((line) => line.tool_call_id === held.callId).length).toBeLessThanOrEqual(1);
    expect(at.model.refused).toEqual([]);
    expect(session.client.breaches).toEqual([]);
    held.release();
    await worker.close();
  } finally {
    killed.kill('SIGKILL');
  }
});
