import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { Elicitation, ElicitationAnswer } from '../../src/tools/port.ts';
import { ServerGone } from '../../src/tools/server-gone.ts';
import { call, dir, effects, start, until } from '../helpers/mcp-ports.ts';

function open(turngate: { connections?: number; timeoutMs?: number; asksFirst?: boolean } = {}) {
  const EFFECTS_FILE = join(dir, 'effects');
  const server = { command: 'node', args: [resolve('test/mcp-servers/elicits.ts')], env: { EFFECTS_FILE } };
  return start({ servers: { desk: { ...server, turngate: { elicits: true, ...turngate } } } });
}

/** Takes questions, and answers them when told to. */
function createDesk() {
  const open: { elicitation: Elicitation; answer: (answer: ElicitationAnswer) => void }[] = [];
  const onElicit = (elicitation: Elicitation) =>
    new Promise<ElicitationAnswer>((answer) => open.push({ elicitation, answer }));
  return { open, onElicit };
}

const accept = (place: string): ElicitationAnswer => ({ action: 'accept', content: { place } });

test('a question goes to whoever made the call, and the answer back to the server', async () => {
  const desk = createDesk();
  const pending = call(open(), 'desk.ask', { message: 'Which room?' }, { onElicit: desk.onElicit });
  await until(() => desk.open.length === 1);
  expect(desk.open[0]?.elicitation).toMatchObject({
    message: 'Which room?',
    schema: { type: 'object', properties: { place: { type: 'string' } } },
  });
  desk.open[0]?.answer(accept('the blue one'));
  const outcome = await pending;
  expect(JSON.parse(outcome.text)).toEqual({ action: 'accept', content: { place: 'the blue one' } });
  expect(desk.open[0]?.elicitation.signal.aborted).toBe(true);
});

test('the time of the call stands still while the question is open', async () => {
  const port = open({ timeoutMs: 1_000 });
  await port.list();
  const onElicit = () => delay(1_500, accept('here'));
  expect(await call(port, 'desk.ask', {}, { onElicit })).toMatchObject({ status: 'completed' });
});

test.each(['decline', 'cancel'] as const)('%s is given on as it is', async (action) => {
  const outcome = await call(open(), 'desk.ask', {}, { onElicit: async () => ({ action }) });
  expect(JSON.parse(outcome.text)).toEqual({ action });
});

test('where nobody can be asked, or the question cannot be put, it is declined', async () => {
  const port = open();
  expect(JSON.parse((await call(port, 'desk.ask')).text)).toEqual({ action: 'decline' });
  const odd = await call(port, 'desk.ask_oddly', {}, { onElicit: async () => accept('x') });
  expect(odd.text).not.toContain('accept');
});

test('each of several calls at a time gets its own question and answer', async () => {
  const port = open({ connections: 3 });
  const desk = createDesk();
  const places = ['one', 'two', 'three', 'four', 'five'];
  const calls = places.map((message) =>
    call(
      port,
      'desk.ask',
      { message },
      {
        onElicit: async (asked) => {
          const answer = await desk.onElicit(asked);
          return answer.action === 'accept' ? accept(`${message}: ${answer.content.place}`) : answer;
        },
      },
    ),
  );
  // As many as there are connections; the others wait for one.
  await until(() => desk.open.length === 3);
  for (let answered = 0; answered < places.length; answered += 1) {
    await until(() => desk.open.length > answered);
    const { elicitation, answer } = desk.open[answered] ?? {
      elicitation: undefined,
      answer: () => undefined,
    };
    answer(accept(String(elicitation?.message)));
  }
  const outcomes = await Promise.all(calls);
  expect(outcomes.map(({ text }) => JSON.parse(text).content.place)).toEqual(
    places.map((place) => `${place}: ${place}`),
  );
});

test('a call that finds no free connection in its time fails, and was not sent', async () => {
  const port = open({ connections: 1, timeoutMs: 1_000 });
  await port.list();
  const desk = createDesk();
  const first = call(port, 'desk.ask', { message: 'first' }, { onElicit: desk.onElicit });
  await until(() => desk.open.length === 1);
  const second = await call(port, 'desk.ask', { message: 'second' }, { onElicit: desk.onElicit });
  expect(second).toMatchObject({ status: 'failed', error: { code: 'tool_error' } });
  expect(second.text).toMatch(/All connections to this MCP server are in use/);
  desk.open[0]?.answer(accept('x'));
  expect((await first).status).toBe('completed');
  expect(desk.open).toHaveLength(1);
});

test('a call that is given up takes its question with it; the server is told, and no answer is made up', async () => {
  const port = open();
  const desk = createDesk();
  const controller = new AbortController();
  const pending = call(port, 'desk.ask', {}, { onElicit: desk.onElicit, signal: controller.signal });
  await until(() => desk.open.length === 1);
  controller.abort(new Error('given up'));
  await expect(pending).rejects.toThrow('given up');
  expect(desk.open[0]?.elicitation.signal.aborted).toBe(true);
  const heard = await until(async () => (await effects()).length >= 2 && (await effects()));
  expect(heard).toContainEqual({ cancelled: expect.objectContaining({ reason: 'cancelled' }) });
  expect(heard).toContainEqual({
    id: 'question-1',
    error: expect.objectContaining({ message: 'The call is given up.' }),
  });
  // The next call is not disturbed by what the server may yet ask for the last one.
  const next = await call(port, 'desk.ask', {}, { onElicit: async () => accept('next') });
  expect(JSON.parse(next.text)).toMatchObject({ content: { place: 'next' } });
});

test('a question that is open when its call is answered is of no more use', async () => {
  const desk = createDesk();
  const outcome = await call(open(), 'desk.answer_while_asking', {}, { onElicit: desk.onElicit });
  expect(outcome.text).toBe('never mind');
  expect(desk.open.every(({ elicitation }) => elicitation.signal.aborted)).toBe(true);
});

test('a question that its server takes back, or leaves behind, says which it is', async () => {
  const port = open({ timeoutMs: 1_000 });
  await port.list();
  const desk = createDesk();
  const died = await call(port, 'desk.die_while_asking', {}, { onElicit: desk.onElicit });
  expect(died).toMatchObject({ status: 'unknown', isServerGone: true });
  expect(desk.open[0]?.elicitation.signal.reason).toBeInstanceOf(ServerGone);
  const back = await call(port, 'desk.take_back', {}, { onElicit: desk.onElicit });
  expect(back.status).toBe('unknown');
  expect(desk.open[1]?.elicitation.signal.aborted).toBe(true);
  expect(desk.open[1]?.elicitation.signal.reason).not.toBeInstanceOf(ServerGone);
});

test('whether a server asks first is what its configuration says', () => {
  expect(open({ asksFirst: true }).asksFirst('desk.ask')).toBe(true);
  expect(open().asksFirst('desk.ask')).toBe(false);
  expect(open().asksFirst('nobody.ask')).toBe(false);
});
