import { describe, expect, test } from '@jest/globals';
import { createOpenAiModel } from '../../src/model/openai-model.ts';
import type { ModelMessage } from '../../src/model/port.ts';
import { ask, chunk, closers, failure, key, raw, request, server, stop } from '../helpers/model-calls.ts';
import { startRawHttp } from '../helpers/raw-http.ts';

describe('an answer', () => {
  test('streams text and reasoning, and ends with reason and usage', async () => {
    server.script(() => [{ thought: 'Hm, ' }, { thought: 'well.' }, 'Good ', 'day.']);
    expect(await ask()).toEqual({
      text: ['Good ', 'day.'],
      thought: ['Hm, ', 'well.'],
      answer: { finishReason: 'stop', toolCalls: [], usage: { input_tokens: 1, output_tokens: 4 } },
    });
  });

  test('arrives piece by piece, not at the end', async () => {
    const first = Promise.withResolvers<void>();
    server.script(() => ['one', { until: first.promise }, 'two']);
    const model = createOpenAiModel({ apiKey: key, baseUrl: server.url, silenceMs: 10_000 });
    const pieces: string[] = [];
    await model.stream(request(), {
      text(piece) {
        pieces.push(piece);
        first.resolve();
      },
      thought: () => undefined,
    });
    expect(pieces).toEqual(['one', 'two']);
  });

  test('puts parallel tool calls together', async () => {
    server.script(() => [
      { toolCall: { id: 'a', name: 'office__send_mail', arguments: { to: 'x@example.com' } } },
      { toolCall: { id: 'b', name: 'office__search_mail', arguments: '{"broken' } },
    ]);
    const { answer } = await ask();
    expect(answer.finishReason).toBe('tool_calls');
    expect(answer.toolCalls).toEqual([
      { id: 'a', name: 'office__send_mail', arguments: '{"to":"x@example.com"}' },
      { id: 'b', name: 'office__search_mail', arguments: '{"broken' },
    ]);
  });

  test('tells tool calls apart where a server gives all the same number, or no ids', async () => {
    const whole = (id: string | undefined, name: string, index?: number) =>
      chunk({ tool_calls: [{ index, id, function: { name, arguments: {} } }] });
    const sameNumber = await ask(await raw(whole('a', 'x', 0), whole('b', 'y', 0), stop));
    expect(sameNumber.answer.toolCalls.map(({ id, name }) => [id, name])).toEqual([
      ['a', 'x'],
      ['b', 'y'],
    ]);
    const noIds = await ask(await raw(whole(undefined, 'x', 0), whole(undefined, 'y', 1), stop));
    expect(noIds.answer.toolCalls.map((call) => call.name)).toEqual(['x', 'y']);
    const ids = noIds.answer.toolCalls.map((call) => call.id);
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toMatch(/^call_/);
  });

  test('is read whatever way it is cut and written', async () => {
    const bytes = Buffer.from(
      `: a comment\r\n\r\ndata:${JSON.stringify({ choices: [{ delta: { content: 'größe 😀' } }] })}\r\n\r\nevent: x\r\n${stop}`,
    );
    const pieces = Array.from(bytes, (byte) => Buffer.from([byte]));
    const { text, answer } = await ask(await raw(...pieces));
    expect(text.join('')).toBe('größe 😀');
    expect(answer.finishReason).toBe('stop');
  });

  test('is made of whole characters that Postgres can carry', async () => {
    const parts = [
      { content: 'a\ud83d' },
      { content: '\ude00b' },
      { content: 'x\u0000y' },
      { content: 'z\ud83d' },
    ];
    const { text } = await ask(await raw(...parts.map((delta) => chunk(delta)), stop));
    expect(text).toEqual(['a', '😀b', 'x\uFFFDy', 'z', '\uFFFD']);
  });

  test('ends at [DONE], even if the server leaves the response open', async () => {
    const http = await startRawHttp((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`${chunk({ reasoning: 'r', content: 'c' })}${stop}data: [DONE]\n\n`);
    });
    closers.push(http.close);
    expect(await ask(http.url)).toMatchObject({
      text: ['c'],
      thought: ['r'],
      answer: { finishReason: 'stop' },
    });
  });
});

test('the request is what servers expect, and broken arguments of the past do not spoil it', async () => {
  server.script(() => 'ok');
  const call = { id: 'c1', name: 'office__send_mail', arguments: '{"broken' };
  const messages: ModelMessage[] = [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: 'Hi', parts: [] },
    { role: 'assistant', content: '', toolCalls: [call] },
    { role: 'tool', toolCallId: 'c1', content: 'no' },
    { role: 'assistant', content: 'Sorry.', toolCalls: [] },
    { role: 'user', content: 'Again', parts: [] },
  ];
  const parameters = { type: 'object', properties: {} };
  await ask(server.url, {
    messages,
    tools: [{ name: 'office__send_mail', description: 'Sends.', parameters }],
  });
  const sent = server.requests.at(-1);
  expect(sent).toMatchObject({ model: 'some-model', stream: true, authorization: `Bearer ${key}` });
  expect(sent?.tools).toEqual([
    { type: 'function', function: { name: 'office__send_mail', description: 'Sends.', parameters } },
  ]);
  expect(sent?.messages[2]).toEqual({
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'c1', type: 'function', function: { name: 'office__send_mail', arguments: '{}' } }],
  });
});

describe('silence', () => {
  test('before the first byte counts', async () => {
    server.script(() => new Promise<never>(() => undefined));
    expect(await failure(ask(server.url, {}, 80))).toMatchObject({ kind: 'Silent', retryable: true });
  });

  test('in the middle counts, and the server is left', async () => {
    server.script(() => ['some', { hang: true }]);
    const error = await failure(ask(server.url, {}, 80));
    expect(error.message).toBe('The model server said nothing for 0.08 s.');
    const call = server.requests.at(-1);
    if (!call?.gone.aborted) await new Promise((gone) => call?.gone.addEventListener('abort', gone));
  });

  test('is not a slow but steady stream', async () => {
    const steady = Array.from({ length: 12 }, () => ['.', { delayMs: 50 }]).flat();
    server.script(() => steady);
    expect((await ask(server.url, {}, 400)).text.join('')).toBe('............');
  });
});

describe('an abort', () => {
  test('in the middle rejects with its reason and closes the request', async () => {
    const controller = new AbortController();
    const reason = new Error('the user left');
    server.script(() => ['some', { hang: true }]);
    const model = createOpenAiModel({ apiKey: key, baseUrl: server.url, silenceMs: 10_000 });
    const sink = { text: () => controller.abort(reason), thought: () => undefined };
    await expect(model.stream(request({ signal: controller.signal }), sink)).rejects.toBe(reason);
    const call = server.requests.at(-1);
    if (!call?.gone.aborted) await new Promise((gone) => call?.gone.addEventListener('abort', gone));
  });

  test('while waiting for the answer, and before asking', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    server.script(() => {
      controller.abort(reason);
      return new Promise<never>(() => undefined);
    });
    await expect(ask(server.url, { signal: controller.signal })).rejects.toBe(reason);
    const before = server.requests.length;
    await expect(ask(server.url, { signal: controller.signal })).rejects.toBe(reason);
    expect(server.requests.length).toBe(before);
  });
});

test('what the sink throws ends the call and comes out as it is', async () => {
  server.script(() => ['some', { hang: true }]);
  const model = createOpenAiModel({ apiKey: key, baseUrl: server.url, silenceMs: 10_000 });
  const fault = new Error('disk full');
  const sink = {
    text() {
      throw fault;
    },
    thought: () => undefined,
  };
  await expect(model.stream(request(), sink)).rejects.toBe(fault);
});

test('an address that is none is refused at the start', () => {
  expect(() => createOpenAiModel({ apiKey: key, baseUrl: 'localhost:1234', silenceMs: 1 })).toThrow(
    /OPENAI_BASE_URL must be an address/,
  );
});
