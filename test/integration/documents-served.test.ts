import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asyncApiSpecs from '@asyncapi/specs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { clientFrame } from '../../src/protocol/client-frames.ts';
import { feedFrame } from '../../src/protocol/feed-frames.ts';
import { eventFrame, liveFrame } from '../../src/protocol/server-frames.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { closed, faultsOf, frameFaults, validatorsOf } from '../helpers/schemas.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';

type Operation = { responses: Record<string, { content?: Record<string, unknown> }>; security?: unknown[] };
type OpenApi = Record<string, unknown> & { paths: Record<string, Record<string, Operation>> };

let harness: GatewayHarness;
let openApi: OpenApi;

beforeAll(async () => {
  harness = await openGatewayHarness();
  openApi = await served('/v1/openapi.json');
});
afterAll(() => harness.close());

/** Without a token, as tools fetch it. */
async function served<T>(path: string): Promise<T> {
  const answer = await fetch(`${harness.http}${path}`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/json']);
  return (await answer.json()) as T;
}

const operations = () =>
  Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

describe('the documents that the gateway serves are valid', () => {
  test('OpenAPI 3.1', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(openApi));
    expect(errors ?? []).toEqual([]);
    expect([valid, openApi.openapi]).toEqual([true, '3.1.0']);
  });

  test('AsyncAPI 3', async () => {
    const document = await served<Record<string, unknown>>('/v1/asyncapi.json');
    const ajv = new Ajv({ strict: false, validateFormats: false, validateSchema: false, meta: false });
    const validate = ajv.compile(asyncApiSpecs.schemas['3.0.0'] as object);
    expect(faultsOf(validate, document)).toEqual([]);
    expect(danglingRefs(document)).toEqual([]);
    expect(validate({ ...document, channels: { session: { address: 3 } } })).toBe(false);
  });

  test('JSON Schema, of every frame of both directions [http-documents]', async () => {
    const document = await served<{ $defs: Record<string, object> }>('/v1/schema.json');
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    for (const name of Object.keys(document.$defs)) ajv.compile({ ...document, $ref: `#/$defs/${name}` });
    const types = [clientFrame, eventFrame, feedFrame, liveFrame].flatMap(({ options }) =>
      options.map((option) => option.shape.type.value),
    );
    const told = Object.values(document.$defs).flatMap((schema) => {
      const { properties } = schema as { properties?: { type?: { const?: string } } };
      return properties?.type?.const ?? [];
    });
    expect(told.toSorted()).toEqual(types.toSorted());
    expect(danglingRefs(document)).toEqual([]);
  });

  test('no reference of the OpenAPI document leads nowhere', () => expect(danglingRefs(openApi)).toEqual([]));
});

/** References within the document that find nothing. */
function danglingRefs(document: object): string[] {
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path);
  return refs.filter((path) => {
    let at: unknown = document;
    for (const key of path.split('/')) at = (at as Record<string, unknown> | undefined)?.[key];
    return at === undefined;
  });
}

describe('the OpenAPI document and the router say the same', () => {
  test('every method that it names is served', async () => {
    expect(operations().length).toBeGreaterThan(8);
    for (const { path, method } of operations()) {
      const answer = await fetch(`${harness.http}${path.replaceAll(/\{\w+\}/g, 'x')}`, {
        method: method.toUpperCase(),
      });
      expect([path, method, answer.status]).not.toEqual([path, method, 405]);
      const text = await answer.text();
      expect([path, method, text.includes('There is nothing at this path')]).toEqual([path, method, false]);
    }
  });

  test('a path takes no method that it does not name', async () => {
    for (const [path, methods] of Object.entries(openApi.paths)) {
      const answer = await fetch(`${harness.http}${path.replaceAll(/\{\w+\}/g, 'x')}`, {
        method: 'PROPFIND',
      });
      const allowed = answer.headers.get('allow')?.toLowerCase().split(', ');
      expect([path, allowed]).toEqual([path, Object.keys(methods)]);
    }
  });

  test('routes are registered nowhere but with the router, which tells of them', () => {
    const folder = fileURLToPath(new URL('../../src/gateway/', import.meta.url));
    // Neither is a part of the HTTP API: Socket.IO's transport, of which the AsyncAPI document tells, and the page.
    const mayRegister = ['http-router.ts', 'socket-io-engine.ts', 'http-page.ts'];
    const files = readdirSync(folder).filter((file) => !mayRegister.includes(file));
    const found = files.flatMap((file) => {
      const text = readFileSync(`${folder}${file}`, 'utf8');
      return /\bapp\.(get|post|put|patch|del|head|any|options)\(/i.test(text) ? [file] : [];
    });
    expect(found).toEqual([]);
  });
});

interface Asking {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  claims?: Record<string, unknown>;
}

const asked = new Set<string>();

/** Asks, and holds the answer against the document that the gateway serves. */
async function ask(path: string, template: string, asking: Asking = {}) {
  const { body, claims } = asking;
  const method = asking.method ?? (body === undefined ? 'GET' : 'POST');
  const stop = new AbortController();
  const answer = await fetch(`${harness.http}${path}`, {
    method,
    headers: { authorization: `Bearer ${await signToken(claims)}`, ...asking.headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: stop.signal,
  });
  const key = method.toLowerCase();
  const { responses } = openApi.paths[template]?.[key] ?? { responses: {} };
  const status = String(answer.status) in responses ? String(answer.status) : 'default';
  if (status !== 'default') asked.add(`${key} ${template}`);
  const type = answer.headers.get('content-type') ?? '';
  const told = Object.keys(responses[status]?.content ?? {});
  if (told.length === 0) {
    expect({ path, status, text: await answer.text() }).toEqual({ path, status: '204', text: '' });
    return { status: answer.status, json: null };
  }
  const media = [type, type.split(';')[0] ?? '', '*/*'].find((one) => told.includes(one));
  expect({ path, status, type, media }).toMatchObject({ media: expect.any(String) });
  const pointer = [template, key, 'responses', status, 'content', media ?? '', 'schema']
    .map((part) => part.replaceAll('/', '~1'))
    .join('/');
  const validate = validatorsOf(closed(openApi))(encodeURI(`/paths/${pointer}`));
  const values = type === 'text/event-stream' ? await firstFrames(answer) : [await contentOf(answer, type)];
  stop.abort();
  for (const value of values) {
    expect({ path, status, faults: faultsOf(validate, value) }).toEqual({ path, status, faults: [] });
  }
  return { status: answer.status, json: values[0] };
}

async function contentOf(answer: Response, type: string) {
  const text = await answer.text();
  return type.includes('json') ? JSON.parse(text) : text;
}

/** The frames in the first piece of an event stream that has any. */
async function firstFrames(answer: Response): Promise<unknown[]> {
  let text = '';
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk).toString('utf8');
    if (text.includes('data: ') && text.endsWith('\n\n')) break;
  }
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json));
}

const one = '/v1/sessions/{id}';
const events = { accept: 'text/event-stream' };

async function askOfSessions() {
  const { json: session } = await ask('/v1/sessions', '/v1/sessions', { body: { title: 'documented' } });
  const at = `/v1/sessions/${session.id}`;
  const client = await harness.connect(session.id);
  const step = new StreamingStep(harness.db, harness.worker, session.id);
  const said = await ask(`${at}/messages`, `${one}/messages`, { body: { id: 'm1', content: 'hello' } });
  expect(said.status).toBe(202);
  await step.open();
  step.say('hm', { channel: 'thought' });
  step.say('I write that.');
  await step.close({ calls: [gatedCall()] });
  const { tool_call_id } = await client.frame('tool_approval_request');
  expect((await ask(`${at}/messages`, `${one}/messages`)).json.messages).toHaveLength(2);
  expect((await ask(`${at}/events`, `${one}/events`)).json.events.length).toBeGreaterThan(4);
  await ask(`${at}/events`, `${one}/events`, { headers: events });
  await ask(`${at}/messages`, `${one}/messages`, { body: { content: 'and' }, headers: events });
  expect((await ask('/v1/sessions', '/v1/sessions')).status).toBe(200);
  expect((await ask(at, one)).status).toBe(200);
  expect((await ask('/v1/approvals', '/v1/approvals')).json.approvals).toHaveLength(1);
  await ask('/v1/feed', '/v1/feed');
  await ask('/v1/feed', '/v1/feed', { headers: events });
  const decision = { approved: false };
  await ask(`/v1/approvals/${tool_call_id}`, '/v1/approvals/{id}', { body: decision });
  expect((await ask('/v1/approvals?status=resolved', '/v1/approvals')).json.approvals).toHaveLength(1);
  expect((await ask(`${at}/cancel`, `${one}/cancel`, { body: {} })).status).toBe(202);
  expect((await ask(`${at}/cancel`, `${one}/cancel`, { body: { turn_id: 3 } })).status).toBe(400);
  expect((await ask('/v1/sessions/none', one)).status).toBe(404);
  const change = { title: 'changed', participants: { bob: 'viewer' }, config: { on_busy: 'reject' } };
  await ask(at, one, { method: 'PATCH', body: change });
  await ask(at, one, { method: 'DELETE' });
  expect((await ask(at, one)).status).toBe(404);
}

async function askOfAttachments() {
  const at = `/v1/sessions/${await harness.session()}`;
  const headers = { 'content-type': 'text/plain' };
  const uploads = `${one}/attachments`;
  const { json } = await ask(`${at}/attachments?name=a`, uploads, { body: 'hello', headers });
  expect((await ask(`${at}/attachments`, uploads, { body: '', headers })).status).toBe(400);
  expect(await ask(`/v1/attachments/${json.id}`, '/v1/attachments/{id}')).toMatchObject({ json: 'hello' });
  const body = { content: 'look', attachments: [json] };
  await ask(`${at}/messages`, `${one}/messages`, { body });
  expect((await ask(`${at}/messages`, `${one}/messages`)).json.messages[0].attachments).toEqual([json]);
}

async function askOfCredentials() {
  await ask('/v1/tickets', '/v1/tickets', { body: {} });
  await ask('/v1/revocations', '/v1/revocations', { body: {}, claims: { sub: 'leaver' } });
  const body = { event_type: 'x', event_data: { a: [1, null] } };
  const claims = { sub: 'backend', roles: ['service'] };
  await ask('/v1/users/alice/events', '/v1/users/{user_id}/events', { body, claims });
}

async function askOfOperations() {
  for (const path of ['/healthz', '/readyz', '/metrics']) expect((await ask(path, path)).status).toBe(200);
  const names = ['openapi', 'asyncapi', 'schema'];
  for (const path of names.map((name) => `/v1/${name}.json`)) await ask(path, path);
}

test('HTTP answers of a running gateway are what its OpenAPI document says, of every operation', async () => {
  await askOfSessions();
  await askOfAttachments();
  await askOfCredentials();
  await askOfOperations();
  const all = operations().map(({ path, method }) => `${method} ${path}`);
  expect(all.filter((operation) => !asked.has(operation))).toEqual([]);
});

test('frames of a running gateway are what its JSON Schema says, and the schema finds what is not', async () => {
  const document = await served<Record<string, unknown>>('/v1/schema.json');
  const validate = validatorsOf(closed(document))('/$defs/ServerFrame');
  const sessionId = await harness.session();
  const client = await harness.connect(sessionId);
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  client.send({ type: 'message', id: 'm1', content: 'hello' });
  await client.frame('message_saved');
  await step.open();
  step.say('hm', { channel: 'thought' });
  step.say('I write that.');
  await client.frame('stream_delta');
  client.send({ type: 'resume', last_seq: 0 });
  await client.frame('stream_snapshot');
  await step.close({ calls: [gatedCall()] });
  const { tool_call_id } = await client.frame('tool_approval_request');
  client.send({ type: 'tool_approval', id: 'd1', tool_call_id, approved: false, reason: 'no' });
  client.send({ type: 'cancel', id: 'c1', turn_id: 'other' });
  client.send({ type: 'ping', id: 'p1' });
  await client.frame('tool_approval_resolved');
  await client.frame('error');
  await client.frame('pong');
  const seen = new Set(client.frames.map(({ type }) => type));
  expect(seen.size).toBeGreaterThan(12);
  for (const frame of client.frames) expect([frame.type, ...faultsOf(validate, frame)]).toEqual([frame.type]);
  const [welcome] = client.of('welcome');
  expect(frameFaults({ ...welcome, last_seq: '0' })).toEqual([expect.stringContaining('/last_seq')]);
  expect(frameFaults({ ...welcome, untold: 1 })).toEqual([expect.stringContaining('untold')]);
});
