import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { askJson, problemIn } from '../helpers/http.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';

let east: GatewayHarness;
let west: GatewayHarness;
let token: string;

beforeAll(async () => {
  [east, west] = await openGatewayPair();
  token = await signToken();
});
afterAll(() => east.close());

/** The same request several times at once, over both gateways. */
function repeat(path: string, options: Parameters<typeof askJson>[1] = {}) {
  const places = [east, west, east, west, east];
  return Promise.all(places.map(({ http }) => askJson(`${http}${path}`, { token, ...options })));
}

const eventsOf = async (sessionId: string) =>
  (await askJson(`${west.http}/v1/sessions/${sessionId}/events`, { token })).body.events as {
    type: string;
  }[];

test('a session that is asked for again under its Idempotency-Key is one session [http-again] [http-create-again]', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  const made = await repeat('/v1/sessions', { body: { title: 'once' }, headers });
  expect(made.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 200, 201]);
  expect(new Set(made.map(({ body }) => body.id)).size).toBe(1);
  const bob = await signToken({ sub: 'bob' });
  const other = await askJson(`${west.http}/v1/sessions`, { token: bob, body: {}, headers });
  expect([other.status, other.body.id === made[0]?.body.id]).toEqual([201, false]);
  const named = await askJson(`${west.http}/v1/sessions`, {
    token,
    body: { id: headers['idempotency-key'] },
  });
  expect([named.status, named.body.id]).toEqual([200, made[0]?.body.id]);
  const long = { 'idempotency-key': 'x'.repeat(65) };
  const refused = await askJson(`${west.http}/v1/sessions`, { token, body: {}, headers: long });
  expect(problemIn(refused)).toEqual([400, 'validation_error']);
});

test('a message, a decision, a change and a deletion that come again happen once [http-again]', async () => {
  const sessionId = await east.session();
  const path = `/v1/sessions/${sessionId}`;
  const acks = await repeat(`${path}/messages`, { body: { id: 'm1', content: 'do it' } });
  for (const ack of acks) expect([ack.status, ack.body]).toEqual([202, acks[0]?.body]);
  const step = new StreamingStep(east.db, east.worker, sessionId);
  await step.open();
  const call = gatedCall();
  await step.close({ calls: [{ ...call, timeoutMs: 60_000 }] });
  const decided = await repeat(`/v1/approvals/${call.toolCallId}`, { body: { id: 'd', approved: true } });
  for (const answer of decided) expect([answer.status, answer.body]).toEqual([200, decided[0]?.body]);
  const changed = await repeat(path, { method: 'PATCH', body: { title: 'new' } });
  expect(changed.map(({ status, body }) => [status, body.title])).toEqual(changed.map(() => [200, 'new']));
  const events = await eventsOf(sessionId);
  for (const type of ['message_saved', 'tool_approval_resolved', 'session_updated']) {
    expect(events.filter((event) => event.type === type).length).toBe(1);
  }
  const deleted = await repeat(path, { method: 'DELETE' });
  expect(deleted.map(({ status }) => status).filter((status) => status === 204).length).toBe(1);
  for (const answer of deleted.filter(({ status }) => status !== 204)) {
    expect(problemIn(answer)).toEqual([404, 'not_found']);
  }
});
