import { expect, test } from '@jest/globals';
import type { Emission } from '../../src/gateway/socket-io-emission.ts';
import { cursorsOf, offsetOf } from '../../src/gateway/socket-io-offset.ts';
import { SocketIoTranslator } from '../../src/gateway/socket-io-translator.ts';
import { limits } from '../../src/protocol/limits.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { socketIoServerEvents } from '../../src/protocol/socket-io-events.ts';

const sessionId = 's';
const at = 1_000_000;

/** A translator and its clock; every event that comes out is checked against its schema. */
class Bench {
  readonly translator = new SocketIoTranslator(sessionId);
  now = 0;
  seq = 0;

  event(body: { type: string } & Record<string, unknown>): Emission[] {
    this.seq += 1;
    return this.take({ seq: this.seq, session_id: sessionId, ts: at + this.now, turn_id: 't', ...body });
  }

  take(frame: Record<string, unknown>): Emission[] {
    return this.#checked(this.translator.take(frame as ServerFrame, this.now, at + this.now));
  }

  say(delta: string, offset: number, attempt = 1): Emission[] {
    return this.take({ type: 'stream_delta', message_id: 'm', attempt, offset, delta });
  }

  flush(now: number): Emission[] {
    this.now = now;
    return this.#checked(this.translator.flush(now, at + now));
  }

  #checked(emissions: Emission[]): Emission[] {
    for (const { event, payload } of emissions) socketIoServerEvents[event].strict().parse(payload);
    return emissions;
  }
}

const start = { type: 'stream_start', message_id: 'm', attempt: 1 };
const end = (content: string) => ({
  ...{ type: 'stream_end', message_id: 'm', content, finish_reason: 'stop', usage: null },
});
const chunk = (content: string, delta: string) => ({
  event: 'agent_response_chunk',
  payload: expect.objectContaining({ id: 'm', content, delta }),
});
const names = (emissions: Emission[]) => emissions.map(({ event }) => event);

test('a message is shown at once, then at most every 50 ms, each time all of it', () => {
  const bench = new Bench();
  expect(bench.event(start)).toEqual([]);
  expect(bench.say('one ', 0)).toMatchObject([chunk('one ', 'one ')]);
  bench.now = 10;
  expect(bench.say('two ', 4)).toEqual([]);
  bench.now = 20;
  expect(bench.say('three ', 8)).toEqual([]);
  expect(bench.translator.dueAt).toBe(limits.socketIoChunkMs);
  expect(bench.flush(49)).toEqual([]);
  expect(bench.flush(50)).toMatchObject([chunk('one two three ', 'two three ')]);
  expect(bench.translator.dueAt).toBeNull();
  bench.now = 200;
  expect(bench.say('four', 14)).toMatchObject([chunk('one two three four', 'four')]);
});

test('what comes twice, from before an attempt, or behind a gap changes nothing', () => {
  const bench = new Bench();
  bench.event(start);
  bench.say('one', 0);
  bench.now = 100;
  expect(bench.say('one', 0)).toEqual([]);
  expect(bench.say('four', 9)).toEqual([]);
  expect(bench.say('two', 3, 2)).toEqual([]);
  expect(bench.take({ type: 'stream_delta', message_id: 'x', attempt: 1, offset: 3, delta: 'two' })).toEqual(
    [],
  );
  expect(bench.translator.dueAt).toBeNull();
});

test('the end waits its turn, and what follows waits behind it', () => {
  const bench = new Bench();
  bench.event(start);
  bench.say('one', 0);
  bench.now = 30;
  expect(bench.event(end('one two'))).toEqual([]);
  expect(bench.event({ type: 'turn_end', status: 'completed', usage: null })).toEqual([]);
  expect(bench.translator.dueAt).toBe(50);
  expect(bench.flush(49)).toEqual([]);
  const [last, done] = bench.flush(50);
  expect(last).toMatchObject({
    payload: { content: 'one two', delta: ' two', final: true, seq: 2 },
    reaches: 2,
  });
  expect(done).toMatchObject({ event: 'conversation_complete', payload: { id: 't', seq: 3 }, reaches: 3 });
  expect(bench.translator.dueAt).toBeNull();
});

test('a new attempt takes back what was shown, and no delta pretends to follow it', () => {
  const bench = new Bench();
  bench.event(start);
  bench.say('first try', 0);
  bench.now = 60;
  expect(bench.event({ type: 'stream_reset', message_id: 'm', attempt: 2 })).toMatchObject([chunk('', '')]);
  expect(bench.say('late of the first', 9, 1)).toEqual([]);
  expect(bench.say('second', 0, 2)).toEqual([]);
  expect(bench.flush(110)).toMatchObject([chunk('second', 'second')]);
  // Within the pace both come as one: another text.
  bench.now = 120;
  expect(bench.event({ type: 'stream_reset', message_id: 'm', attempt: 3 })).toEqual([]);
  bench.say('third', 0, 3);
  expect(bench.flush(160)).toMatchObject([chunk('third', '')]);
});

test('a failed turn ends with its message taken back, its reason, and its end, in this order', () => {
  const bench = new Bench();
  bench.event(start);
  bench.say('what', 0);
  bench.now = 10;
  bench.event({ type: 'stream_reset', message_id: 'm' });
  const error = { code: 'model_error', message: 'refused' };
  expect(bench.event({ type: 'turn_end', status: 'failed', error, usage: null })).toEqual([]);
  const said = bench.flush(50);
  expect(names(said)).toEqual(['agent_response_chunk', 'error', 'conversation_complete']);
  expect(said).toMatchObject([
    chunk('', ''),
    { payload: { type: 'processing_error', code: 'model_error', message: 'refused' } },
    { payload: { status: 'failed', error } },
  ]);
});

test('who joins in the middle gets the text so far, and no delta that could double it', () => {
  const bench = new Bench();
  const snapshot = { type: 'stream_snapshot', message_id: 'm', attempt: 2, content: 'so far', thought: 'hm' };
  const said = bench.take(snapshot);
  expect(said).toMatchObject([
    { event: 'agent_thought', payload: { content: 'hm', kind: 'reasoning' } },
    chunk('so far', ''),
  ]);
  bench.now = 60;
  expect(bench.say(' and on', 6, 2)).toMatchObject([chunk('so far and on', ' and on')]);
  // A later snapshot heals a gap.
  bench.now = 120;
  expect(bench.take({ ...snapshot, content: 'so far and on, whole' })).toMatchObject([
    chunk('so far and on, whole', ', whole'),
  ]);
});

test('who joins right behind the start of a message learns of it by its first delta', () => {
  const bench = new Bench();
  expect(bench.say('one', 0)).toMatchObject([chunk('one', '')]);
  bench.now = 60;
  expect(bench.say('two', 3)).toMatchObject([chunk('onetwo', 'two')]);
});

test('a message that only calls tools has no chunk', () => {
  const bench = new Bench();
  bench.event(start);
  expect(bench.event(end(''))).toEqual([]);
});

test('tool calls have name and arguments at their start, and one result', () => {
  const bench = new Bench();
  const call = { tool_call_id: 'c', message_id: 'm', tool: 'a.b', arguments: { x: 1 } };
  const gate = { gate: 'allow', rule: 'r', reason: 'because' };
  expect(bench.event({ type: 'tool_call', ...call, ...gate })).toMatchObject([
    { event: 'tool_call', payload: { tool: 'a.b' } },
  ]);
  expect(bench.event({ type: 'tool_started', tool_call_id: 'c', attempt: 1 })).toMatchObject([
    { event: 'tool_call_start', payload: { id: 'c', tool_name: 'a.b', tool_args: { x: 1 }, attempt: 1 } },
  ]);
  const result = {
    type: 'tool_result',
    tool_call_id: 'c',
    status: 'completed',
    result: { y: 2 },
    error: null,
  };
  expect(bench.event(result)).toMatchObject([
    { event: 'tool_call_result', payload: { id: 'c', tool_name: 'a.b', tool_result: { y: 2 } }, reaches: 3 },
  ]);
});

test('a failed call has its error and then its result; a call from before the join keeps its name', () => {
  const bench = new Bench();
  bench.translator.know([{ toolCallId: 'c', tool: 'a.b', arguments: { x: 1 } }]);
  expect(bench.event({ type: 'tool_started', tool_call_id: 'c', attempt: 2 })).toMatchObject([
    { payload: { tool_name: 'a.b', tool_args: { x: 1 } } },
  ]);
  const error = { code: 'tool_error', message: 'broken' };
  const result = { type: 'tool_result', tool_call_id: 'c', status: 'failed', result: null, error };
  const said = bench.event(result);
  expect(names(said)).toEqual(['tool_error', 'tool_call_result']);
  expect(said[0]).toMatchObject({ payload: { id: 'c', error: 'tool_error', message: 'broken' } });
  // Only behind both has all of the event been said.
  expect(said.map(({ reaches }) => reaches)).toEqual([undefined, 2]);
});

test('what has no event of its own goes under its native name', () => {
  const bench = new Bench();
  const status = { type: 'agent_status', status: 'thinking', details: {} };
  expect(bench.take(status)).toEqual([
    { event: 'agent_status', payload: { status: 'thinking', details: {}, session_id: sessionId } },
  ]);
  expect(bench.event({ type: 'turn_started', workflow_id: 'w', run_id: 'r' })).toMatchObject([
    { event: 'turn_started', payload: { workflow_id: 'w', run_id: 'r', seq: 1, ts: at }, reaches: 1 },
  ]);
  expect(bench.take({ type: 'ping' })).toEqual([]);
  expect(bench.take({ type: 'error', code: 'busy', error: 'Later.', id: 'i' })).toMatchObject([
    {
      event: 'error',
      payload: { type: 'rate_limit', code: 'busy', message: 'Later.', id: 'i', session_id: 's' },
    },
  ]);
  expect(bench.take({ type: 'cursor', seq: 9 })).toMatchObject([{ event: 'cursor', reaches: 9 }]);
});

test('the first chunk says that the start of its message has been passed', () => {
  const bench = new Bench();
  bench.event(start);
  expect(bench.say('one', 0)).toMatchObject([{ reaches: 1 }]);
  bench.now = 60;
  expect(bench.say('two', 3)[0]).not.toHaveProperty('reaches');
});

test('an offset leads back to its cursors, and what is none is left out', () => {
  const ids = ['01a1fe43-5093-76cd-8a2f-89ab450dcb5a', '01a1fe43-5093-76cd-8a2f-89ab450dcb5b'];
  const cursors = new Map([
    [ids[0] ?? '', 12],
    [ids[1] ?? '', 0],
  ]);
  expect(cursorsOf(offsetOf(cursors))).toEqual(cursors);
  expect(cursorsOf(undefined)).toEqual(new Map());
  for (const broken of [
    '',
    'x',
    `${ids[0]}`,
    `${ids[0]}:-1`,
    `${ids[0]}:1e9`,
    `${ids[0]}:99999999999999999999`,
  ]) {
    expect(cursorsOf(broken)).toEqual(new Map());
  }
  const many = Array.from(
    { length: 100 },
    (_, n) => `01a1fe43-5093-76cd-8a2f-${String(n).padStart(12, '0')}:1`,
  );
  expect(cursorsOf(many.join(',')).size).toBe(limits.socketIoSessions);
});
