import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/protocol/limits.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { askJson } from '../helpers/http.ts';
import { seatParticipants } from '../helpers/participants.ts';
import type { SocketIoTestClient } from '../helpers/socket-io-client.ts';
import { SocketIoClients } from '../helpers/socket-io-clients.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;
const clients = new SocketIoClients();

beforeAll(async () => {
  harness = await openGatewayHarness();
});
afterEach(() => clients.close());
afterAll(() => harness.close());

/** What was sent before has been answered. */
async function barrier(client: SocketIoTestClient): Promise<void> {
  await client.ask('resume', {});
}

describe('the default session', () => {
  test('is one, whoever asks for it how often, and a message with an id is one message [sio-default] [sio-user_message]', async () => {
    const [phone, desk] = [await clients.connect(harness, 'dora'), await clients.connect(harness, 'dora')];
    const say = { content: 'hello', id: 'd1' };
    const named = { ...say, session_id: 'default' };
    const acks = await Promise.all([
      phone.ask('user_message', say),
      desk.ask('user_message', say),
      phone.ask('user_message', named),
    ]);
    const [first, ...others] = acks;
    expect(first).toMatchObject({ disposition: 'started', id: 'd1' });
    for (const ack of others) expect(ack).toEqual(first);
    expect((await phone.event('message_saved')).session_id).toBe(first?.session_id);
    await barrier(phone);
    expect(phone.of('message_saved').length).toBe(1);
    expect(await phone.ask('user_message', { content: 'other', id: 'd1' })).toMatchObject({
      error: { code: 'conflict' },
    });
    // Who comes back takes part in it without asking.
    const back = await clients.connect(harness, 'dora');
    expect((await back.event('session_joined')).session_id).toBe(first?.session_id);
  });

  test('acks come as events too, with or without a callback [sio-callback]', async () => {
    const client = await clients.connect(harness, 'acker');
    client.socket.emit('user_message', { content: 'no callback', id: 'a1' });
    expect(await client.event('ack', ({ id }) => id === 'a1')).toMatchObject({ disposition: 'started' });
    await client.ask('user_message', { content: 'callback', id: 'a2' });
    expect(client.of('ack').map(({ id }) => id)).toEqual(['a1', 'a2']);
  });
});

test('what cannot be understood is a validation_error in words, and the connection stays [sio-validation]', async () => {
  const client = await clients.connect(harness, 'vera');
  const wrong: [string, unknown][] = [
    ['user_message', 'text'],
    ['user_message', { content: 7 }],
    ['user_message', {}],
    ['user_message', { content: 'nul \u0000' }],
    ['user_message', { content: 'x', session_id: 7 }],
    ['no_such_event', {}],
    ['tool_approval', { approved: true }],
    ['cancel', []],
    ['auth', { token: '' }],
    ['resume', { last_seq: -1 }],
  ];
  for (const [event, payload] of wrong) {
    const before = client.of('error').length;
    client.socket.emit(event, payload);
    await until(() => client.of('error').length > before);
    expect(client.of('error').at(-1)).toMatchObject({ type: 'validation_error', code: 'validation_error' });
  }
  // Node's own name for trouble is an event like any other.
  client.socket.emit('error', {});
  await until(() => client.of('error').length === wrong.length + 1);
  // Of several sessions one has to be named.
  expect(await client.ask('cancel', {})).toMatchObject({ error: { code: 'validation_error' } });
  // An edit that would not be kept as it was sent.
  await client.ask('user_message', { content: 'in a session' });
  const edit = { tool_call_id: 'c', approved: true, arguments: JSON.parse('{"__proto__":1}') };
  expect(await client.ask('tool_approval', edit)).toMatchObject({
    error: { code: 'validation_error', message: expect.stringContaining('Field "arguments.__proto__": ') },
  });
  expect(client.disconnects).toEqual([]);
});

test('a role that may not is told so [sio-error]', async () => {
  const sessionId = await harness.session();
  await seatParticipants(harness.db, sessionId, { vic: 'viewer' });
  const client = await clients.connect(harness, 'vic', {
    auth: { token: await signToken({ sub: 'vic' }), sessions: { [sessionId]: 0 } },
  });
  await client.event('session_joined');
  expect(
    await client.ask('user_message', { content: 'may I?', session_id: sessionId, id: 'v' }),
  ).toMatchObject({
    error: { code: 'forbidden', type: 'validation_error', session_id: sessionId },
  });
});

test('a connection takes part in a bounded number of sessions, and can leave some [sio-max_sessions] [sio-leave] [sio-session_joined]', async () => {
  const client = await clients.connect(harness, 'max');
  const sessions = await Promise.all(
    Array.from({ length: limits.socketIoSessions + 1 }, () => harness.session('max')),
  );
  for (const session_id of sessions.slice(0, -1)) {
    expect(await client.ask('resume', { session_id })).not.toHaveProperty('error');
  }
  const [first, last] = [sessions[0], sessions.at(-1)];
  expect(await client.ask('resume', { session_id: last })).toMatchObject({ error: { type: 'rate_limit' } });
  await client.ask('leave', { session_id: first });
  expect(await client.event('session_left')).toMatchObject({ session_id: first, code: 1000 });
  await client.ask('user_message', { session_id: last, content: 'here' });
  await client.event('message_saved', ({ session_id }) => session_id === last);
});

test('resume gives what came after last_seq, also of a session that is joined already [sio-resume]', async () => {
  const sessionId = await harness.session('rita');
  const client = await clients.connect(harness, 'rita');
  await client.ask('user_message', { session_id: sessionId, content: 'one' });
  await client.ask('user_message', { session_id: sessionId, content: 'two' });
  await client.event('message_saved', ({ content }) => content === 'two');
  await client.ask('resume', { session_id: sessionId, last_seq: 0 });
  await until(() => client.of('message_saved').length === 4);
  expect(client.of('message_saved').map(({ content }) => content)).toEqual(['one', 'two', 'one', 'two']);
});

test('a device says what it has received, and hears it when it joins again', async () => {
  const sessionId = await harness.session('rex');
  const auth = { token: await signToken({ sub: 'rex' }), device: 'phone', sessions: { [sessionId]: 0 } };
  const client = await clients.connect(harness, 'rex', { auth });
  expect(await client.event('session_joined')).toMatchObject({ received_seq: 0 });
  await client.ask('user_message', { session_id: sessionId, content: 'one' });
  const { seq } = await client.event('message_saved');
  await client.ask('received', { session_id: sessionId, seq });
  // What is answered after it in the same session has been read after it.
  await client.ask('typing', { session_id: sessionId, active: false });
  client.close();
  await until(async () => {
    const again = await clients.connect(harness, 'rex', { auth });
    const { received_seq } = await again.event('session_joined');
    again.close();
    return received_seq === seq;
  });
});

test('an external event comes once to a connection that is in several sessions, and once after a reconnect [sio-external_event]', async () => {
  const sessions = [await harness.session('eve'), await harness.session('eve')];
  const client = await clients.connect(harness, 'eve', {
    auth: {
      token: await signToken({ sub: 'eve' }),
      sessions: Object.fromEntries(sessions.map((id) => [id, 0])),
    },
  });
  await until(() => client.of('session_joined').length === 2);
  const token = await signToken({ sub: 'crm', roles: ['service'] });
  const body = { id: 'e1', event_type: 'order_shipped', event_data: { order: 7 } };
  expect((await askJson(`${harness.http}/v1/users/eve/events`, { token, body })).status).toBe(202);
  expect(await client.event('external_event')).toMatchObject({ event_id: 'e1', event_data: { order: 7 } });
  await client.event('cursor');
  client.socket.io.engine.close();
  await until(() => client.of('connection_established').length === 2);
  await until(() => client.of('session_joined').length === 4);
  for (const session_id of sessions) await client.ask('user_message', { session_id, content: 'after' });
  await until(() => client.of('message_saved').length === 2);
  expect(client.of('external_event').length).toBe(1);
});

test('typing and presence go both ways between Socket.IO and the native protocol [sio-typing]', async () => {
  const sessionId = await harness.session();
  await seatParticipants(harness.db, sessionId, { bob: 'member' });
  const native = await harness.connect(sessionId);
  const client = await clients.connect(harness, 'bob', {
    auth: { token: await signToken({ sub: 'bob' }), sessions: { [sessionId]: 0 } },
  });
  await client.event('presence', ({ users }) => users.length === 2);
  client.socket.emit('typing', { active: true });
  expect(await native.frame('typing')).toMatchObject({ user_id: 'bob', active: true });
  native.send({ type: 'typing', active: true });
  expect(await client.event('typing')).toMatchObject({
    user_id: 'alice',
    active: true,
    session_id: sessionId,
  });
  client.close();
  await native.frame('presence', ({ users }) => users.every(({ user_id }) => user_id !== 'bob'));
});
