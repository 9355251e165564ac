import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '../../src/cli/logger.ts';
import { channels } from '../../src/live/outbox.ts';
import { limits } from '../../src/protocol/limits.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

/** Stands in everything that people, models and tools say here; no log line may hold it. */
const secret = 'Marigold-7';
const lines: string[] = [];
let harness: GatewayHarness;

beforeAll(async () => {
  const logger = createLogger('gateway', 'trace', { write: (line) => lines.push(line) });
  harness = await openGatewayHarness({ logger });
});
afterAll(() => harness.close());

const logged = (words: string) =>
  lines.map((line) => JSON.parse(line)).filter(({ msg }) => String(msg).includes(words));

test('log lines hold ids, and never content, tokens or query strings, at any level', async () => {
  const { db, http, worker } = harness;
  const sessionId = await harness.session();
  const token = await signToken({ name: secret });
  const client = await harness.connect(sessionId, { token, way: 'query', query: { device: secret } });
  const foreign = await signToken({ sub: 'mallory', name: secret });
  await (await harness.dial(sessionId, { token: foreign, way: 'query' })).end();
  await (await harness.dial(sessionId, { token: secret, way: 'query', query: { x: secret } })).end();

  // What works.
  client.send({ type: 'message', id: `${secret}-1`, content: secret });
  const { turn_id } = await client.frame('ack');
  const step = new StreamingStep(db, worker, sessionId);
  await step.open();
  step.say(`${secret} says `);
  step.say(secret, { channel: 'thought' });
  await until(() => client.textOf(step.messageId) === step.text);
  const call = { ...gatedCall(), arguments: { to: secret } };
  await step.close({ calls: [call] });
  client.send({ type: 'tool_approval', tool_call_id: call.toolCallId, approved: false, reason: secret });
  await client.frame('ack', ({ disposition }) => disposition === 'recorded');
  const path = `${http}/v1/sessions/${sessionId}/messages`;
  const headers = { authorization: `Bearer ${token}` };
  await fetch(`${path}?before=${secret}`, { headers });
  await fetch(`${path}?token=${token}`);
  await fetch(path, { headers, method: 'POST', body: JSON.stringify({ content: secret }) });

  // What does not.
  const hostile = [
    `{"type":"message","content":"${secret}`,
    JSON.stringify({ type: secret }),
    JSON.stringify({ type: 'message', content: 5, id: secret }),
    JSON.stringify({ type: 'message', content: `${secret}\u0000` }),
    JSON.stringify({ type: 'message', id: `${secret}-1`, content: `other ${secret}` }),
    JSON.stringify({ type: 'tool_approval', tool_call_id: secret, approved: true }),
    JSON.stringify({ type: 'cancel', turn_id: secret }),
    Buffer.from(secret),
  ];
  for (const frame of hostile) client.socket.send(frame);
  await until(() => client.of('error').length === hostile.length);
  await fetch(path, { headers, method: 'POST', body: `{"content":"${secret}` });
  // Postgres quotes the whole row in such an error.
  await db.query(`alter table messages add constraint unwanted check (content not like 'refused%')`);
  client.send({ type: 'message', id: 'r', content: `refused ${secret}` });
  expect(await client.frame('error', ({ id }) => id === 'r')).toMatchObject({ code: 'processing_error' });
  const body = JSON.stringify({ content: `refused ${secret}` });
  expect((await fetch(path, { headers, method: 'POST', body })).status).toBe(500);
  await db.query('select pg_notify($1, $2), pg_notify($1, $3)', [
    channels.session,
    `${secret} is no JSON`,
    `["p",1,[2,null,"${secret}"]]`,
  ]);
  await until(() => logged('could not be read').length === 2);
  client.send({ type: 'message', content: secret.repeat(limits.frameBytes / 5) });
  expect((await client.end()).code).toBe(4013);
  await until(() => logged('disconnected').length === 1);

  expect(logged('message accepted')[0]).toMatchObject({ session_id: sessionId, turn_id });
  expect(logged('decision taken in')[0]).toMatchObject({
    session_id: sessionId,
    tool_call_id: call.toolCallId,
  });
  expect(logged('could not be handled').length).toBe(2);
  expect(logged('could not be handled')[0].err).toMatchObject({ code: '23514' });
  const found = lines.filter((line) =>
    [secret, token, foreign, 'token=', 'before='].some((word) => line.includes(word)),
  );
  expect(found).toEqual([]);
});

test('nor does any credential, however it comes, whether it is good or not [credentials-unlogged]', async () => {
  lines.length = 0;
  const { http, ws } = harness;
  const sessionId = await harness.session();
  const token = await signToken({ jti: `${secret}-jti`, roles: ['service', secret] });
  const other = await signToken({ sub: 'mallory' });
  const expired = await signToken({ exp: 1 });
  const forged = await signToken({}, { secret: `${secret} as a key of another gateway` });
  const tickets: string[] = [];
  const ticket = async () => {
    const { body } = await harness.ask('POST', '/v1/tickets', { token, body: {} });
    tickets.push(String(body.ticket));
    return String(body.ticket);
  };
  const unheard = 'x'.repeat(43);
  const used = await ticket();
  (await harness.connect(sessionId, { token: null, query: { ticket: used } })).terminate();
  for (const query of [{ ticket: used }, { ticket: unheard }, { ticket: await ticket(), last_seq: secret }]) {
    await (await harness.dial(sessionId, { token: null, query })).end();
  }
  for (const way of ['header', 'query', 'protocol'] as const) {
    (await harness.connect(sessionId, { token, way })).terminate();
    for (const bad of [other, expired, forged, secret]) {
      await (await harness.dial(sessionId, { token: bad, way })).end();
    }
  }
  const client = await harness.connect(sessionId);
  for (const bad of [other, expired, forged, secret, '']) client.send({ type: 'auth', id: 'a', token: bad });
  await until(() => client.of('error').length === 5);
  client.send({ type: 'auth', id: 'good', token });
  await client.frame('ack', ({ id }) => id === 'good');
  for (const bad of [other, expired, forged, secret]) {
    for (const path of ['/v1/sessions', `/v1/sessions/${sessionId}`, '/v1/tickets']) {
      await harness.ask('GET', `${path}?token=${bad}&ticket=${used}`, { token: bad });
    }
    await fetch(`${http}/v1/sessions/${sessionId}/events?token=${bad}`, {
      headers: { accept: 'text/event-stream' },
    });
    await fetch(`${http}/${bad}`);
  }
  await fetch(`${ws.replace('ws', 'http')}/v1/sessions/${sessionId}/ws?token=${token}`);
  for (const body of [{ token_id: token }, { user_id: 'somebody' }, { token_id: 5, [secret]: secret }]) {
    await harness.ask('POST', '/v1/revocations', { token, body });
  }
  // A store that refuses says the whole row in its error.
  await harness.db.query(`alter table tickets add constraint unwanted check (session_id <> '${secret}')`);
  expect((await harness.ask('POST', '/v1/tickets', { token, body: { session_id: secret } })).status).toBe(
    500,
  );
  await harness.db.query('alter table tickets drop constraint unwanted');
  await harness.ask('POST', '/v1/revocations', { token, body: {} });
  expect((await client.end()).code).toBe(4001);
  await until(() => logged('a token was revoked').length >= 1);

  const credentials = [token, other, expired, forged, unheard, ...tickets];
  // No part of them either: a signature alone is as good as the whole where the rest can be guessed.
  const parts = [
    ...credentials,
    ...credentials.flatMap((each) => each.split('.')),
    secret,
    'ticket=',
    'token=',
  ];
  expect(logged('connected').length).toBeGreaterThan(4);
  expect(lines.filter((line) => parts.some((part) => line.includes(part)))).toEqual([]);
});
