import { describe, expect, test } from '@jest/globals';
import { createOpenAiModel } from '../../src/model/openai-model.ts';
import { ask, closers, failure, key, raw, request, server, stop } from '../helpers/model-calls.ts';
import { startRawHttp } from '../helpers/raw-http.ts';

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
