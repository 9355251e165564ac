import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ModelCall, Reply } from '../helpers/scripted-model.ts';
import { openWhole, type Whole } from '../helpers/whole.ts';

let at: Whole;
beforeAll(async () => {
  at = await openWhole({ INVALID_CALLS_MAX: '3' });
});
afterAll(() => at.close());

type Arguments = Record<string, unknown> | string;
/** Calls the tools of one step after the other, then says that it is done. */
const steps =
  (...all: [tool: string, args: Arguments][][]) =>
  (request: ModelCall): Reply => {
    const step = request.messages.filter(({ role }) => role === 'assistant').length;
    return (
      all[step]?.map(([name, args]) => ({ toolCall: { name: `test__${name}`, arguments: args } })) ?? ['done']
    );
  };

async function play(...all: [tool: string, args: Arguments][][]) {
  at.model.script(steps(...all));
  const before = at.model.requests.length;
  const client = await at.connect(await at.session());
  client.send({ type: 'message', id: 'm', content: 'go' });
  expect(await client.frame('turn_end')).toMatchObject({ status: 'completed' });
  const requests = at.model.requests.slice(before);
  const events = client.frames;
  return {
    calls: events.flatMap((event) =>
      event.type === 'tool_call' ? [[event.tool, event.gate, event.rule]] : [],
    ),
    results: events.flatMap((event) => (event.type === 'tool_result' ? [event.status] : [])),
    asked: events.filter(({ type }) => type === 'tool_approval_request').length,
    /** What the model read of its last calls, before each step. */
    heard: requests.map(({ messages }) => messages.at(-1)?.content),
    offered: requests.map(({ tools = [] }) => tools.map((tool) => tool.function.name)),
  };
}

const wrong: [string, Arguments] = ['effect', { text: 5 }];

test('arguments that do not fit go back to the model, which may mend them; nobody is asked meanwhile [tool-invalid_arguments]', async () => {
  const { calls, results, heard, asked } = await play(
    [['echo', { text: 5 }]],
    [['echo', {}]],
    [['echo', '{"text": ']],
    [['echo', { text: 'good' }]],
  );
  expect(calls.map(([, gate, rule]) => [gate, rule])).toEqual([
    ['deny', 'invalid-arguments'],
    ['deny', 'invalid-arguments'],
    ['deny', 'invalid-arguments'],
    ['deny', 'tool-given-up'],
  ]);
  expect(results).toEqual(['failed', 'failed', 'failed', 'failed']);
  expect(asked).toBe(0);
  expect(heard[1]).toMatch(/at \/text .*string.* Mend them and call it again\.$/);
  expect(heard[2]).toMatch(/required.*"?text"?.* Mend them/);
  expect(heard[3]).toMatch(
    /not valid JSON.* That was 3 times in a row; do not call test\.echo again in this turn\.$/,
  );
  expect(heard[4]).toMatch(/test\.echo cannot be used in the rest of this turn/);
});

test('a call whose arguments fit begins the count anew', async () => {
  const good: [string, Arguments] = ['echo', { text: 'good' }];
  const bad: [string, Arguments] = ['echo', { text: 5 }];
  const { results } = await play([bad, bad], [good], [bad, bad], [good]);
  expect(results).toEqual(['failed', 'failed', 'completed', 'failed', 'failed', 'completed']);
});

test('after too many in a row the turn goes on without the tool: neither offered nor run, others are [tool-given_up]', async () => {
  const { calls, offered, asked, results } = await play(
    [wrong, wrong],
    [wrong, ['echo', { text: 'other' }]],
    [['effect', { text: 'right at last' }]],
  );
  expect(calls.map(([tool, , rule]) => [tool, rule])).toEqual([
    ['test.effect', 'invalid-arguments'],
    ['test.effect', 'invalid-arguments'],
    ['test.effect', 'invalid-arguments'],
    ['test.echo', 'trusted-read-only'],
    ['test.effect', 'tool-given-up'],
  ]);
  expect(results).toEqual(['failed', 'failed', 'failed', 'completed', 'failed']);
  expect(asked).toBe(0);
  expect(at.effects()).toEqual([]);
  expect(offered.map((names) => names.includes('test__effect'))).toEqual([true, true, false, false]);
  expect(offered.at(-1)).toContain('test__echo');
});

test('the next turn has the tool again', async () => {
  at.model.script(steps([wrong, wrong, wrong]));
  const sessionId = await at.session();
  await at.say(sessionId, 'go');
  await at.event(sessionId, 'turn_end');
  at.model.script(() => 'Hello.');
  const next = await at.say(sessionId, 'again');
  await at.event(sessionId, 'turn_end', (event) => event.turn_id === next);
  const names = at.model.requests.at(-1)?.tools?.map((tool) => tool.function.name);
  expect(names).toContain('test__effect');
});

test('a call that is denied is not told how it would fit', async () => {
  const { calls, heard } = await play([['fail', { wrong: true }]]);
  expect(calls).toEqual([['test.fail', 'deny', 'never-fail']]);
  expect(heard[1]).not.toMatch(/arguments do not fit/);
});
