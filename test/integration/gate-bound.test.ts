import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { argumentsHash } from '../../src/gate/hashes.ts';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { type GateHarness, openGateHarness } from '../helpers/gate-harness.ts';
import { ended, resultOf, say } from '../helpers/gate-talk.ts';
import { eventually } from '../helpers/turn-harness.ts';

let at: GateHarness;
beforeAll(async () => {
  at = await openGateHarness();
});
afterAll(() => at.close());

test('a tool that tells another story when it is to run is asked about again [approval-again]', async () => {
  at.mailRule('remember: always');
  at.tool({});
  const asked = await at.ask({ to: 'pulled' });
  const request = await asked.request();
  at.tool({ description: 'Sends a mail, and a copy to somebody.' });
  await say(asked.alice, request, { approved: true });
  const second = await asked.request(2);
  expect(second).toMatchObject({ because: 'tool_changed', round: 2, arguments: { to: 'pulled' } });
  expect(second.tool_hash).not.toBe(request.tool_hash);
  expect(at.sent().some(({ to }) => to === 'pulled')).toBe(false);
  expect((await at.details('alice', request.tool_call_id)).description).toContain('a copy to somebody');
  // The first approval sent again does not approve the second thing.
  expect(await say(asked.alice, request, { approved: true })).toMatchObject({ code: 'conflict' });
  expect(await say(asked.alice, second, { approved: false, reason: 'no copies' })).toMatchObject({
    decision: { decision: 'rejected' },
  });
  expect(await resultOf(asked)).toMatchObject({ status: 'rejected' });
  at.tool({});
});

test('arguments that were changed behind the approval are asked about again; so is a rule that became stricter', async () => {
  at.mailRule('remember: always');
  const asked = await at.ask({ to: 'honest' });
  const request = await asked.request();
  at.mailRule('needed: 2');
  await say(asked.alice, request, { approved: true });
  const second = await asked.request(2);
  expect(second).toMatchObject({ because: 'rule_changed', needed: 2 });
  await say(asked.alice, second, { approved: true });
  await say(await asked.as('ada'), second, { approved: true });
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });

  at.mailRule('remember: always');
  const other = await at.ask({ to: 'honest' });
  const shown = await other.request();
  await at.db.query(`update tool_calls set arguments = '{"to":"mallory"}' where id = $1`, [
    shown.tool_call_id,
  ]);
  await say(other.alice, shown, { approved: true });
  const now = await other.request(2);
  expect(now).toMatchObject({ because: 'arguments_changed', arguments: { to: 'mallory' } });
  await say(other.alice, now, { approved: false });
  await ended(other);
  expect(at.sent().some(({ to }) => to === 'mallory')).toBe(false);
});

test('a change of the rules that denies the call wins over an approval; one that allows it does not undo asking', async () => {
  at.mailRule('remember: always');
  const asked = await at.ask({ to: 'denied' });
  const request = await asked.request();
  at.policy('  - { id: never, decide: deny, reason: "Not today." }');
  await say(asked.alice, request, { approved: true });
  expect(await resultOf(asked)).toMatchObject({ status: 'denied' });
  expect(at.sent().some(({ to }) => to === 'denied')).toBe(false);
});

test('changed arguments are held against the tool again by the worker, immediately before they run', async () => {
  at.mailRule('remember: always');
  const asked = await at.ask({ to: 'checked' });
  const request = await asked.request();
  const edited = { to: 7 };
  // What no gateway lets through: the row and its decision say that this was approved.
  await at.db.query(
    `update tool_calls set arguments = $2, arguments_hash = $3, proposed_arguments = arguments, edited_by = 'alice' where id = $1`,
    [request.tool_call_id, JSON.stringify(edited), argumentsHash(edited)],
  );
  const said = { tool_call_id: request.tool_call_id, approved: true, round: 1 };
  asked.alice.send({ type: 'tool_approval', id: 'misfit', ...said });
  expect(await resultOf(asked)).toMatchObject({
    status: 'failed',
    error: { code: 'tool_error', message: expect.stringContaining('to') },
  });
  expect(at.sent()).not.toContainEqual(edited);
});

test('an edit that another rule decides is asked about by that rule', async () => {
  at.policy(`  - { id: much, tool: mail.send, arguments: { /amount: { above: 100 } }, decide: ask, needed: 2 }
  - { id: little, tool: mail.send, decide: ask }`);
  const asked = await at.ask({ to: 'bob', amount: 5 });
  const request = await asked.request();
  expect(request).toMatchObject({ rule: 'little', needed: 1 });
  await say(asked.alice, request, { approved: true, arguments: { to: 'bob', amount: 5_000 } });
  const second = await asked.request(2);
  expect(second).toMatchObject({
    rule: 'much',
    needed: 2,
    because: 'rule_changed',
    arguments: { amount: 5_000 },
  });
  await say(asked.alice, second, { approved: false });
  await ended(asked);
  expect(at.sent().some(({ amount }) => amount === 5_000)).toBe(false);
});

test("arguments of an operator's signal that could not be kept as they are change nothing, and it is recorded [signal-arguments]", async () => {
  at.mailRule('needed: 1');
  const asked = await at.ask({ to: 'signalled' });
  // One that takes anything; it is asked about anew.
  at.tool({ schema: { type: 'object' } });
  await say(asked.alice, await asked.request(), { approved: true });
  const { tool_call_id: id } = await asked.request(2);
  const signal = (args: string) =>
    at.client.workflowService.signalWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: sessionWorkflowId(asked.sessionId) },
      signalName: 'approval',
      input: {
        payloads: [
          {
            metadata: { encoding: Buffer.from('json/plain') },
            data: Buffer.from(`{"tool_call_id":"${id}","approved":true,"arguments":${args}}`),
          },
        ],
      },
    });
  const problems = async () => {
    const sql = 'select problem from rejected_signals where session_id = $1 order by created_at';
    return (await at.db.query(sql, [asked.sessionId])).rows.map(({ problem }) => problem);
  };
  const nested = (levels: number) => `{"to":${'['.repeat(levels)}${']'.repeat(levels)}}`;
  const wrong: [string, RegExp][] = [
    ['{"to":"eve","deep":[{"__proto__":{"to":"x"}}]}', /^Field "arguments\.deep\.0\.__proto__": no key/],
    ['{"__proto__":{"to":"eve"}}', /^Field "arguments\.__proto__": no key/],
    [nested(100), /nested/],
    // No workflow could hand these on as they are; they say nothing that is known, neither which call.
    [nested(100_000), /^tool_call_id: must be/],
    ['{"to":1e999}', /^tool_call_id: must be/],
  ];
  for (const [index, [args, problem]] of wrong.entries()) {
    await signal(args);
    const told = await eventually(`what is wrong with ${problem}`, async () => (await problems())[index]);
    expect(told).toMatch(problem);
  }
  await signal('{"to":"dave"}');
  expect(await resultOf(asked)).toMatchObject({ status: 'completed' });
  expect(at.sent().at(-1)).toEqual({ to: 'dave' });
  at.tool({});
});
