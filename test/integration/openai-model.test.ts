import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createOpenAiModel } from '../../src/model/openai-model.ts';
import { ModelError, type ModelMessage, type ModelRequest } from '../../src/model/port.ts';
import { startRawHttp } from '../helpers/raw-http.ts';
import { type ScriptedModel, startScriptedModel } from '../helpers/scripted-model.ts';

const key = 'sk-very-secret-0123456789';
let server: ScriptedModel;
beforeAll(async () => {
  server = await startScriptedModel();
});
afterAll(() => server.close());

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

interface Heard {
  text: string[];
  thought: string[];
}

function request(more: Partial<ModelRequest> = {}): ModelRequest {
  const messages: ModelMessage[] = [{ role: 'user', content: 'Hi' }];
  return { model: 'some-model', messages, tools: [], signal: new AbortController().signal, ...more };
}

async function ask(url = server.url, more: Partial<ModelRequest> = {}, silenceMs = 10_000) {
  const heard: Heard = { text: [], thought: [] };
  const model = createOpenAiModel({ apiKey: key, baseUrl: url, silenceMs });
  const sink = {
    text: (piece: string) => void heard.text.push(piece),
    thought: (piece: string) => void heard.thought.push(piece),
  };
  return { ...heard, answer: await model.stream(request(more), sink) };
}

async function failure(asked: Promise<unknown>): Promise<ModelError> {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ModelError)) throw new Error(`Expected a ModelError, not ${String(error)}.`);
  expect(error.message).not.toContain(key);
  return error;
}

/** A server that sends these bytes as its event stream, then ends the response. */
async function raw(...pieces: (string | Buffer)[]): Promise<string> {
  const http = await startRawHttp((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) response.write(piece);
    response.end();
  });
  closers.push(http.close);
  return http.url;
}

const chunk = (delta: object, reason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
const stop = chunk({}, 'stop');

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
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: '', toolCalls: [call] },
    { role: 'tool', toolCallId: 'c1', content: 'no' },
    { role: 'assistant', content: 'Sorry.', toolCalls: [] },
    { role: 'user', content: 'Again' },
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

describe('a refusal', () => {
  const cases: [number, string, boolean][] = [
    [400, 'BadRequest', false],
    [401, 'Unauthorized', false],
    [403, 'Unauthorized', false],
    [404, 'NotFound', false],
    [413, 'BadRequest', false],
    [422, 'BadRequest', false],
    [408, 'Unavailable', true],
    [429, 'RateLimited', true],
    [500, 'Unavailable', true],
    [503, 'Unavailable', true],
    [529, 'Unavailable', true],
    [302, 'NotFound', false],
  ];
  test.each(cases)('with %i is %s', async (status, kind, retryable) => {
    const before = server.requests.length;
    server.script(() => ({ status, message: `bad luck with ${key}` }));
    expect(await failure(ask())).toMatchObject({ kind, retryable, retryAfterMs: undefined });
    expect(server.requests.length).toBe(before + 1);
  });

  test('keeps the words of the server, without the key', async () => {
    server.script(() => ({ status: 400, message: `no such thing as ${key}` }));
    expect((await failure(ask())).message).toBe(
      'The model server refused the request (400): no such thing as [key]',
    );
  });

  test.each([
    [{ 'retry-after': '7' }, 7_000, 7_000],
    [{ 'retry-after': '7', 'retry-after-ms': '250.5' }, 251, 251],
    [{ 'retry-after': new Date(Date.now() + 60_000).toUTCString() }, 40_000, 60_000],
    [{ 'retry-after': '999999999' }, 3_600_000, 3_600_000],
  ])('says how long to wait: %j', async (headers, least, most) => {
    for (const status of [429, 503]) {
      server.script(() => ({ status, headers }));
      const { retryAfterMs = -1 } = await failure(ask());
      expect(retryAfterMs).toBeGreaterThanOrEqual(least);
      expect(retryAfterMs).toBeLessThanOrEqual(most);
    }
  });

  test('with 429 because the quota is used up is not tried again', async () => {
    const http = await startRawHttp((_, response) => {
      response.writeHead(429, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: 'pay', code: 'insufficient_quota' } }));
    });
    closers.push(http.close);
    expect(await failure(ask(http.url))).toMatchObject({ kind: 'Unauthorized', retryable: false });
  });

  test('by a web page or a whole answer is told apart from a broken stream', async () => {
    for (const type of ['text/html; charset=utf-8', 'application/json']) {
      const http = await startRawHttp((_, response) => {
        response.writeHead(200, { 'content-type': type });
        response.end('{}');
      });
      closers.push(http.close);
      expect((await failure(ask(http.url))).kind).toBe('NotFound');
    }
  });
});

describe('a connection', () => {
  test('that is refused is Unavailable', async () => {
    const http = await startRawHttp(() => undefined);
    await http.close();
    const error = await failure(ask(http.url));
    expect(error.kind).toBe('Unavailable');
    expect(error.message).toContain('ECONNREFUSED');
  });

  test('that closes before any answer is Unavailable', async () => {
    const http = await startRawHttp((_, response) => response.destroy());
    closers.push(http.close);
    expect((await failure(ask(http.url))).kind).toBe('Unavailable');
  });

  test.each([
    ['is cut in the middle', { drop: true as const }],
    ['ends without a finish reason', { end: true as const }],
  ])('that %s is Dropped', async (_, piece) => {
    server.script(() => ['some', piece]);
    expect(await failure(ask())).toMatchObject({ kind: 'Dropped', retryable: true });
  });

  test('that carries something else than JSON is Dropped', async () => {
    expect((await failure(ask(await raw('data: {"choices"\n\n')))).kind).toBe('Dropped');
  });

  test('that reports an error within the stream says what it was', async () => {
    const limited = await failure(ask(await raw('data: {"error":{"code":429,"message":"slow down"}}\n\n')));
    expect(limited).toMatchObject({ kind: 'RateLimited' });
    const broken = await failure(ask(await raw('data: {"error":{"message":"engine died"}}\n\n')));
    expect(broken.kind).toBe('Unavailable');
    expect(broken.message).toContain('engine died');
  });

  test('is kept for the next call', async () => {
    const sockets = new Set<unknown>();
    const http = await startRawHttp((incoming, response) => {
      sockets.add(incoming.socket);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`${stop}data: [DONE]\n\n`);
    });
    closers.push(http.close);
    const model = createOpenAiModel({ apiKey: key, baseUrl: http.url, silenceMs: 10_000 });
    const sink = { text: () => undefined, thought: () => undefined };
    for (let call = 0; call < 20; call += 1) {
      await model.stream(request(), sink);
      await new Promise((done) => setImmediate(done));
    }
    // Not exactly one: the next call may come before the end of the last response has.
    expect(sockets.size).toBeLessThan(10);
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
