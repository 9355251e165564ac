import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/protocol/limits.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson, type JsonReply, problemIn } from '../helpers/http.ts';
import { StreamingStep } from '../helpers/streaming.ts';

let harness: GatewayHarness;
let token: string;

beforeAll(async () => {
  harness = await openGatewayHarness({ origins: 'https://app.example' });
  token = await signToken();
});
afterAll(() => harness.close());

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  askJson(`${harness.http}${path}`, { token, method, body, headers });

const problemOf = (answer: JsonReply) => problemIn(answer)[1];

describe('sessions over HTTP', () => {
  test('are made, listed in pages, and read [http-create] [http-read]', async () => {
    token = await signToken({ sub: 'lister' });
    const made = [];
    for (const title of ['one', 'two', 'three']) {
      const answer = await call('POST', '/v1/sessions', { title });
      expect(answer.status).toBe(201);
      made.push(answer.body.id);
    }
    const page = await call('GET', '/v1/sessions?limit=2');
    expect(page.body.sessions.map(({ title }: { title: string }) => title)).toEqual(['three', 'two']);
    const rest = await call('GET', `/v1/sessions?limit=2&before=${page.body.next}`);
    expect(rest.body).toMatchObject({ sessions: [{ title: 'one' }], next: null });
    const one = await call('GET', `/v1/sessions/${made[0]}`);
    expect(one.body).toMatchObject({ id: made[0], title: 'one', state: 'active', last_seq: 0 });
    token = await signToken();
    expect(problemOf(await call('GET', `/v1/sessions/${made[0]}`))).toBe('forbidden');
    token = await signToken({ tenant: 'other' });
    expect(problemOf(await call('GET', `/v1/sessions/${made[0]}`))).toBe('not_found');
    token = await signToken();
  });

  test('messages are taken in, and history and events read back [http-history] [http-events]', async () => {
    const sessionId = await harness.session();
    const path = `/v1/sessions/${sessionId}`;
    const sent = await call('POST', `${path}/messages`, { id: 'h1', content: 'hello' });
    expect(sent.status).toBe(202);
    expect(sent.body).toMatchObject({ type: 'ack', id: 'h1', disposition: 'started' });
    expect((await call('POST', `${path}/messages`, { id: 'h1', content: 'hello' })).body).toEqual(sent.body);
    expect(problemOf(await call('POST', `${path}/messages`, { id: 'h1', content: 'no' }))).toBe('conflict');
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    await step.open();
    step.say('hi there');
    const cancelled = await call('POST', `${path}/cancel`, {});
    expect(cancelled).toMatchObject({ status: 202, body: { turn_id: step.turnId } });
    await step.close();
    const history = await call('GET', `${path}/messages`);
    expect(history.body.messages).toMatchObject([
      { role: 'user', content: 'hello' },
      { role: 'assistant', content: 'hi there' },
    ]);
    const events = await call('GET', `${path}/events?after=1&limit=2`);
    expect(events.body.events.map(({ seq }: { seq: number }) => seq)).toEqual([2, 3]);
    expect(events.body.last_seq).toBe(history.body.last_seq);
    expect(problemOf(await call('POST', `${path}/cancel`))).toBe('not_found');
  });

  test.each<[string, string, unknown, string]>([
    ['POST', '/v1/sessions', '{', 'validation_error'],
    ['POST', '/v1/sessions', '[]', 'validation_error'],
    ['POST', '/v1/sessions', { title: 5 }, 'validation_error'],
    ['POST', '/v1/sessions', { title: 'a\u0000' }, 'validation_error'],
    ['POST', '/v1/sessions', { agent: 'other' }, 'validation_error'],
    ['POST', '/v1/sessions', 'x'.repeat(limits.frameBytes + 1), 'validation_error'],
    ['GET', '/v1/sessions?limit=0', undefined, 'validation_error'],
    ['GET', '/v1/sessions?limit=many', undefined, 'validation_error'],
    ['GET', '/v1/sessions?before=%00', undefined, 'validation_error'],
    ['GET', '/v1/sessions/nonsense', undefined, 'not_found'],
    ['GET', '/v1/sessions/%00/messages', undefined, 'not_found'],
    ['GET', '/v1/nothing', undefined, 'not_found'],
    ['DELETE', '/v1/sessions', undefined, 'validation_error'],
  ])('%s %s with %j is a problem with code %s', async (method, path, body, code) => {
    expect(problemOf(await call(method, path, body))).toBe(code);
  });

  test('a body that is too large and a method that is not there say so by their status', async () => {
    const large = await call('POST', '/v1/sessions', 'x'.repeat(limits.frameBytes + 1));
    expect(large.status).toBe(413);
    const removed = await call('DELETE', '/v1/sessions');
    expect([removed.status, removed.headers.get('allow')]).toEqual([405, 'POST, GET']);
  });

  test('refused fields, wrong types and bad text in a message body', async () => {
    const path = `/v1/sessions/${await harness.session()}/messages`;
    for (const body of [
      {},
      { content: '' },
      { content: 'a', attachments: {} },
      { content: 'a', on_busy: 'sometimes' },
      '{"content":"\\ud800"}',
    ]) {
      expect(problemOf(await call('POST', path, body))).toBe('validation_error');
    }
  });
});

describe('who may call', () => {
  test('no token, a bad token, a token in the query [error-unauthorized]', async () => {
    for (const authorization of ['', 'Bearer nonsense', `Basic ${token}`]) {
      const answer = await call('GET', '/v1/sessions', undefined, { authorization });
      expect(answer.status).toBe(401);
      expect(problemOf(answer)).toBe('unauthorized');
    }
    const query = await call('GET', `/v1/sessions?token=${token}`, undefined, { authorization: '' });
    expect(query.status).toBe(401);
  });

  test('origins: listed ones get CORS answers, others are refused', async () => {
    const listed = await call('GET', '/v1/sessions', undefined, { origin: 'https://app.example' });
    expect(listed.status).toBe(200);
    expect(listed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    const preflight = await call('OPTIONS', '/v1/sessions', undefined, { origin: 'https://app.example' });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization');
    for (const method of ['GET', 'OPTIONS']) {
      const foreign = await call(method, '/v1/sessions', undefined, { origin: 'https://evil.example' });
      expect(problemOf(foreign)).toBe('forbidden');
      expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
    }
  });
});

describe('probes', () => {
  test('need no token and say what is reachable [http-healthz] [http-readyz]', async () => {
    const none = { authorization: '' };
    expect((await call('GET', '/healthz', undefined, none)).body).toEqual({ status: 'ok' });
    expect(await call('GET', '/readyz', undefined, none)).toMatchObject({
      status: 200,
      body: { status: 'ready', checks: { store: true, temporal: true, live: true, draining: false } },
    });
  });
});
