import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { lockSession, transaction } from '../../src/store/db.ts';
import { appendEvents } from '../../src/store/events.ts';
import { syncEndpoints } from '../../src/store/webhook-endpoints.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { ask as askPeople } from '../helpers/questions.ts';
import {
  closed,
  faultsOf,
  fetchDocument,
  type OpenApi,
  operationsOf,
  validatorsOf,
} from '../helpers/schemas.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { ended } from '../helpers/webhook-bench.ts';

let harness: GatewayHarness;
let openApi: OpenApi;

beforeAll(async () => {
  harness = await openGatewayHarness();
  openApi = await fetchDocument(harness.http, '/v1/openapi.json');
});
afterAll(() => harness.close());

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
  const call = gatedCall();
  const terms = call.terms && { ...call.terms, remember: 'session' as const };
  await step.close({ calls: [{ ...call, toolHash: 'of-the-tool', terms }] });
  const { tool_call_id } = await client.frame('tool_approval_request');
  expect((await ask(`${at}/messages`, `${one}/messages`)).json.messages).toHaveLength(2);
  expect((await ask(`${at}/events`, `${one}/events`)).json.events.length).toBeGreaterThan(4);
  await ask(`${at}/events`, `${one}/events`, { headers: events });
  await ask(`${at}/messages`, `${one}/messages`, { body: { content: 'and' }, headers: events });
  expect((await ask('/v1/sessions', '/v1/sessions')).status).toBe(200);
  expect((await ask(at, one)).status).toBe(200);
  expect((await ask('/v1/approvals', '/v1/approvals')).json.approvals).toHaveLength(1);
  const question = { sessionId: session.id, turnId: step.turnId, toolCallId: tool_call_id };
  const { requestId } = await askPeople(harness.db, question);
  expect((await ask('/v1/inputs', '/v1/inputs')).json.inputs).toHaveLength(1);
  expect((await ask('/v1/agents', '/v1/agents')).json.agents.length).toBeGreaterThan(1);
  expect((await ask('/v1/usage', '/v1/usage')).json.limits.turn).toEqual({ steps: 25 });
  await ask('/v1/feed', '/v1/feed');
  await ask('/v1/feed', '/v1/feed', { headers: events });
  expect((await ask(`/v1/approvals/${tool_call_id}`, '/v1/approvals/{id}')).json.audit).toHaveLength(1);
  const decision = { approved: true, remember: 'session' };
  await ask(`/v1/approvals/${tool_call_id}`, '/v1/approvals/{id}', { body: decision });
  const { grants } = (await ask('/v1/grants', '/v1/grants')).json;
  expect(grants).toHaveLength(1);
  await ask(`/v1/grants/${grants[0].id}`, '/v1/grants/{id}', { method: 'DELETE' });
  const answer = { action: 'accept', content: { colour: 'red' } };
  await ask(`/v1/inputs/${requestId}`, '/v1/inputs/{id}', { body: answer });
  expect((await ask('/v1/inputs?status=resolved', '/v1/inputs')).json.inputs).toHaveLength(1);
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

async function askOfWebhooks() {
  const at = '/v1/webhooks';
  const types = ['turn_end'] as const;
  const endpoint = { name: 'crm', url: 'https://crm.example.com', eventTypes: types, tenants: null };
  await syncEndpoints(harness.db, [endpoint], 60_000);
  const sessionId = await harness.session();
  await transaction(harness.db, async (tx) => {
    await lockSession(tx, sessionId);
    await appendEvents(tx, sessionId, [ended()]);
  });
  const claims = { sub: 'backend', roles: ['service'] };
  expect((await ask(`${at}/endpoints`, `${at}/endpoints`, { claims })).json.endpoints).toHaveLength(1);
  const enable = `${at}/endpoints/crm/enable`;
  await ask(enable, `${at}/endpoints/{name}/enable`, { claims, method: 'POST' });
  const { json } = await ask(`${at}/deliveries`, `${at}/deliveries`, { claims });
  const resend = `${at}/deliveries/${json.deliveries[0].id}/resend`;
  await ask(resend, `${at}/deliveries/{id}/resend`, { claims, method: 'POST' });
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
  await askOfWebhooks();
  await askOfOperations();
  const all = operationsOf(openApi).map(({ path, method }) => `${method} ${path}`);
  expect(all.filter((operation) => !asked.has(operation))).toEqual([]);
});
