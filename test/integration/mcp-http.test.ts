import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type HttpMcp, startHttpMcp } from '../helpers/http-mcp.ts';
import { call, logged, start, until } from '../helpers/mcp-ports.ts';

let http: HttpMcp;
beforeEach(async () => {
  http = await startHttpMcp();
});
afterEach(() => http.close());

const open = (more = {}, options = {}) =>
  start({ servers: { web: { type: 'http', url: http.url, ...more } }, ...options });

describe('a server over HTTP', () => {
  test('is listed and called, in one session and with progress', async () => {
    const port = open();
    expect((await port.list()).map((tool) => tool.name)).toEqual(['web.echo', 'web.wait']);
    const seen: unknown[] = [];
    const outcome = await call(
      port,
      'web.wait',
      { ms: 1, name: 'a' },
      { onProgress: (progress) => seen.push(progress) },
    );
    expect(outcome).toMatchObject({ status: 'completed', text: 'waited for a' });
    expect(seen).toEqual([{ progress: 1, total: 2 }]);
    expect((await call(port, 'web.echo', { text: 'again' })).text).toBe('again');
    expect(http.sessions()).toBe(1);
    await port.close();
    expect(http.sessions()).toBe(0);
  });

  test('gives JSON answers, too', async () => {
    await http.close();
    http = await startHttpMcp({ json: true });
    expect((await call(open(), 'web.echo', { text: 'json' })).text).toBe('json');
  });

  test('gets headers from the environment, which no log and no error shows', async () => {
    const env = { PATH: process.env.PATH, KEY: 'k3y-of-the-server' };
    const headers = { Authorization: `Bearer \${KEY}` };
    const port = open({ headers }, { env });
    await call(port, 'web.echo', { text: 'x' });
    expect(
      http.requests.every((request) => request.headers.authorization === 'Bearer k3y-of-the-server'),
    ).toBe(true);
    expect(JSON.stringify(logged)).not.toContain('k3y-of');
  });

  test('that forgot its sessions is greeted anew, and the call is made once', async () => {
    const port = open();
    await call(port, 'web.echo', { text: 'one' });
    http.forgetSessions();
    expect(await call(port, 'web.echo', { text: 'two' })).toMatchObject({ status: 'completed', text: 'two' });
  });

  test('hears of a call that is cancelled', async () => {
    const port = open();
    const controller = new AbortController();
    const pending = call(
      port,
      'web.wait',
      { ms: 60_000, name: 'long' },
      {
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('stop')),
      },
    );
    await expect(pending).rejects.toThrow('stop');
    await until(() => http.cancelled.includes('long'));
  });

  test('and one that takes too long, whose exchange is ended with it', async () => {
    const port = open({ turngate: { timeoutMs: 300 } });
    await call(port, 'web.echo', { text: 'warm' });
    const outcome = await call(port, 'web.wait', { ms: 60_000, name: 'slow' });
    expect(outcome).toMatchObject({ status: 'unknown', error: { code: 'tool_error' } });
    expect(outcome.text).toContain('within 300 ms');
    await until(() => http.cancelled.includes('slow'));
  });

  test('whose stream breaks is heard again from where it broke', async () => {
    const port = open();
    let broken = false;
    const outcome = await call(
      port,
      'web.wait',
      { ms: 1_500, name: 'broken' },
      {
        onProgress: () => {
          broken = true;
          http.breakStreams();
        },
      },
    );
    expect(broken).toBe(true);
    expect(outcome).toMatchObject({ status: 'completed', text: 'waited for broken' });
    expect(http.requests.some((request) => request.headers['last-event-id'] !== undefined)).toBe(true);
  });

  test.each([400, 401, 403, 413, 425, 429])(
    'whose proxy refuses a call with %i has not carried it out',
    async (status) => {
      http.answerCalls(status);
      const outcome = await call(open(), 'web.echo', { text: 'x' });
      expect(outcome).toMatchObject({ status: 'failed', error: { code: 'tool_error' } });
      expect(outcome.text).toContain('refused the call');
    },
  );

  test.each([408, 500, 502, 503, 504, 524])(
    'whose proxy answers a call with %i may have carried it out',
    async (status) => {
      http.answerCalls(status);
      const outcome = await call(open(), 'web.echo', { text: 'x' });
      expect(outcome).toMatchObject({ status: 'unknown', error: { code: 'tool_error' } });
      expect(outcome.text).toContain('not known whether the call took effect');
    },
  );

  test('that is down fails the call, and is there again when it is up', async () => {
    const port = open();
    const { url } = http;
    await http.close();
    const outcome = await call(port, 'web.echo', { text: 'x' });
    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'tool_error' } });
    expect(outcome.text).toContain('could not be reached');
    expect(outcome.text).not.toContain(url);
    http = await startHttpMcp();
  });
});

test('what is asked anew at the same time is one request, and asked later another', async () => {
  const port = open();
  await port.list();
  const asked = () => http.requests.filter(({ body }) => body.includes('"tools/list"')).length;
  const before = asked();
  const found = await Promise.all(
    ['echo', 'wait', 'none', 'echo'].map((name) => port.describe(`web.${name}`, { fresh: true })),
  );
  expect(found.map((tool) => tool?.name)).toEqual(['web.echo', 'web.wait', undefined, 'web.echo']);
  expect(asked()).toBe(before + 1);
  await port.describe('web.echo', { fresh: true });
  expect(asked()).toBe(before + 2);
  await port.describe('web.echo', { fresh: false });
  expect(asked()).toBe(before + 2);
});

test('a connection that nobody uses is closed, and opened again', async () => {
  const port = open({ turngate: { idleMs: 200 } });
  await call(port, 'web.echo', { text: 'one' });
  await until(() => http.sessions() === 0);
  expect((await call(port, 'web.echo', { text: 'two' })).text).toBe('two');
});
