import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/protocol/limits.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson, type JsonReply, problemIn } from '../helpers/http.ts';
import { until } from '../helpers/until.ts';
import { openWire, type Wire } from '../helpers/wire.ts';

interface Operation {
  method: string;
  path: string;
  isOpen: boolean;
  takesJson: boolean;
  query: string[];
}

let harness: GatewayHarness;
let wire: Wire;
let token: string;
let sessionId: string;
let operations: Operation[];

beforeAll(async () => {
  harness = await openGatewayHarness({
    origins: 'https://app.example',
    wayTo: async (url) => {
      wire = await openWire(url);
      return wire.url;
    },
  });
  // Who may do everything, so that a refusal is for what the request says.
  token = await signToken({ sub: 'alice', roles: ['service', 'admin'] });
  sessionId = await harness.session();
  operations = operationsOf((await askJson(`${harness.http}/v1/openapi.json`)).body);
});
afterAll(async () => {
  await harness.close();
  await wire.close();
});

/** Every route that there is, as the gateway itself tells. */
function operationsOf(document: {
  paths: Record<
    string,
    Record<
      string,
      { security?: unknown[]; requestBody?: { content: object }; parameters: { name: string; in: string }[] }
    >
  >;
}): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      isOpen: operation.security?.length === 0,
      takesJson: Object.hasOwn(operation.requestBody?.content ?? {}, 'application/json'),
      query: operation.parameters.filter((one) => one.in === 'query').map(({ name }) => name),
    })),
  );
}

/** A path that leads to something of alice's. */
const pathOf = ({ path }: Operation) =>
  path.replace(/\{([a-z_]+)\}/g, (_, name: string) =>
    path.startsWith('/v1/sessions/') && path.indexOf(`{${name}}`) === '/v1/sessions/'.length
      ? sessionId
      : randomUUID(),
  );

const ask = (operation: Operation, options: Parameters<typeof askJson>[1] = {}): Promise<JsonReply> =>
  askJson(`${harness.http}${pathOf(operation)}`, { token, method: operation.method, ...options });

/** Asks every operation that fits and answers those whose problem is another one than `wanted`. */
async function deviants(
  fits: (operation: Operation) => boolean,
  send: (operation: Operation) => Promise<JsonReply>,
  wanted: [number, string],
): Promise<string[]> {
  const chosen = operations.filter(fits);
  expect(chosen.length).toBeGreaterThan(1);
  const found: string[] = [];
  for (const operation of chosen) {
    const [status, code] = problemIn(await send(operation));
    if (status !== wanted[0] || code !== wanted[1]) {
      found.push(`${operation.method} ${operation.path}: ${status} ${code}`);
    }
  }
  return found;
}

const needsToken = ({ isOpen }: Operation) => !isOpen;
const takesJson = (operation: Operation) => operation.takesJson;

describe('every route says by a problem why it does not serve [http-problems]', () => {
  test('without a token, and with one that is not good', async () => {
    for (const bad of [null, 'nonsense', `${token}x`]) {
      expect(await deviants(needsToken, (one) => ask(one, { token: bad }), [401, 'unauthorized'])).toEqual(
        [],
      );
    }
  });

  test('to a page of a foreign origin', async () => {
    const headers = { origin: 'https://evil.example' };
    expect(
      await deviants(
        () => true,
        (one) => ask(one, { headers }),
        [403, 'forbidden'],
      ),
    ).toEqual([]);
  });

  test('with a method that it does not have, naming those it has', async () => {
    const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
    for (const { path } of operations) {
      const own = operations.filter((one) => one.path === path).map(({ method }) => method);
      const [first] = operations.filter((one) => one.path === path);
      const method = others.find((other) => !own.includes(other));
      if (!first || !method) continue;
      const answer = await ask({ ...first, method });
      expect([path, ...problemIn(answer)]).toEqual([path, 405, 'validation_error']);
      expect(answer.headers.get('allow')?.split(', ').toSorted()).toEqual(own.toSorted());
    }
  });

  test.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['JSON of nothing', 'null'],
    ['text of another encoding', '\u0000'],
  ])('with a body that is %s', async (_, body) => {
    expect(await deviants(takesJson, (one) => ask(one, { body }), [400, 'validation_error'])).toEqual([]);
  });

  test('with a body that is too large', async () => {
    const body = JSON.stringify({ content: 'x'.repeat(limits.frameBytes) });
    expect(await deviants(takesJson, (one) => ask(one, { body }), [413, 'validation_error'])).toEqual([]);
  });

  test.each([
    ['limit', '0'],
    ['limit', '201'],
    ['limit', 'many'],
    ['after', '-1'],
    ['after', 'x'],
    ['before', '%00'],
    ['before', 'a b'],
  ])('with the query %s=%s', async (name, value) => {
    const fits = ({ query }: Operation) => query.includes(name);
    const send = (one: Operation) =>
      askJson(`${harness.http}${pathOf(one)}?${name}=${value}`, { token, method: one.method });
    expect(await deviants(fits, send, [400, 'validation_error'])).toEqual([]);
  });

  test('at a path that is none', async () => {
    for (const path of [
      '/nothing',
      '/v1',
      '/v1/nothing',
      '/v2/sessions',
      `/v1/sessions/${sessionId}/ws`,
      '/v1/sessions/%ff',
    ]) {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const reply = await askJson(`${harness.http}${path}`, { token, method });
        expect([path, method, problemIn(reply)[0] >= 404]).toEqual([path, method, true]);
      }
    }
  });

  test('to the upgrade of a page of a foreign origin', async () => {
    const paths = [`/v1/sessions/${sessionId}/ws`, '/v1/feed'];
    for (const path of paths) {
      const answer = await upgrade(`${harness.http}${path}`, 'https://evil.example');
      expect(answer).toMatchObject({ status: 403, type: 'application/problem+json' });
      expect(JSON.parse(answer.text)).toMatchObject({ status: 403, code: 'forbidden' });
    }
  });
});

/** Asks for an upgrade and answers what came instead. */
function upgrade(url: string, origin: string): Promise<{ status: number; type: string; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      headers: {
        origin,
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64'),
      },
    });
    asked.on('response', async (response) => {
      let text = '';
      for await (const chunk of response) text += String(chunk);
      resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text });
    });
    asked.on('upgrade', () => reject(new Error('It was upgraded.')));
    asked.on('error', reject);
    asked.end();
  });
}

test('while the store is away every route that needs it says so, and when to come back [http-problems] [error-unavailable]', async () => {
  wire.cut();
  const bodies: Record<string, object> = {
    '/v1/sessions/{id}/messages': { content: 'hello' },
    '/v1/users/{user_id}/events': { event_type: 'x', event_data: 1 },
    '/v1/approvals/{id}': { approved: true },
  };
  const answers: [string, JsonReply][] = [];
  for (const operation of operations.filter(needsToken)) {
    const body = operation.method === 'POST' ? { body: bodies[operation.path] ?? {} } : {};
    answers.push([`${operation.method} ${operation.path}`, await ask(operation, body)]);
  }
  wire.mend();
  const away = answers.filter(([, { status }]) => status === 503);
  for (const [, answer] of away) {
    expect(problemIn(answer)).toEqual([503, 'unavailable']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  for (const [, answer] of answers) problemIn(answer);
  const asked = new Set(away.map(([name]) => name));
  for (const name of [
    'POST /v1/sessions',
    'GET /v1/sessions',
    'GET /v1/sessions/{id}/messages',
    'POST /v1/sessions/{id}/messages',
    'GET /v1/approvals',
    'POST /v1/approvals/{id}',
    'GET /v1/feed',
    'POST /v1/users/{user_id}/events',
  ]) {
    expect(asked).toContain(name);
  }
  await until(async () => (await fetch(`${harness.http}/readyz`)).status === 200);
});

test('the answer to HEAD has no body, so that the next answer on the connection is read as what it is', async () => {
  const socket = connect(harness.gateway.port, '127.0.0.1');
  let got = '';
  socket.on('data', (chunk) => {
    got += chunk.toString('latin1');
  });
  socket.write('HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => got.endsWith('{"status":"ok"}'));
  socket.destroy();
  expect(got).toMatch(/^HTTP\/1\.1 405 /);
  expect(got).toMatch(/\r\n\r\nHTTP\/1\.1 200 /);
});

test('a token that is good for longer than any store can say signs out as others do [http-revocations]', async () => {
  const long = await signToken({ sub: 'long', exp: 1e15 });
  const headers = { authorization: `Bearer ${long}` };
  const answer = await fetch(`${harness.http}/v1/revocations`, { method: 'POST', headers, body: '{}' });
  expect(answer.status).toBe(200);
  expect((await fetch(`${harness.http}/v1/sessions`, { headers })).status).toBe(401);
});

test('who asks for documents on and on and reads nothing is cut off, and no answer waits for them', async () => {
  const socket = connect(harness.gateway.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  const before = process.memoryUsage().rss;
  const closed = once(socket, 'close');
  const ask = 'GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500);
  for (let n = 0; n < 10; n += 1) socket.write(ask);
  // About 250 MB of answers.
  const { port } = harness.gateway;
  await until(async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status === 200);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
  socket.resume();
  await closed;
});
