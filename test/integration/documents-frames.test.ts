import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { closed, faultsOf, fetchDocument, frameFaults, nameOf, validatorsOf } from '../helpers/schemas.ts';
import { SocketIoTestClient } from '../helpers/socket-io-client.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness();
});
afterAll(() => harness.close());

test('frames of a running gateway are what its JSON Schema says, and the schema finds what is not', async () => {
  const document = await fetchDocument(harness.http, '/v1/schema.json');
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

test('messages of every channel are what its AsyncAPI document says', async () => {
  const document = await fetchDocument<{
    channels: Record<string, { messages: Record<string, { name: string }> }>;
  }>(harness.http, '/v1/asyncapi.json');
  const validators = validatorsOf(closed(document));
  /** The schema of a message that the gateway sends on a channel. */
  const payload = (channel: string, name: string) => {
    const messages = Object.entries(document.channels[channel]?.messages ?? {});
    const id = messages.find(([key, message]) => message.name === name && !/Client/.test(key))?.[0];
    return validators(`/channels/${channel}/messages/${id}/payload`);
  };
  const sessionId = await harness.session();
  const token = await signToken();
  const native = await harness.connect(sessionId);
  const io = new SocketIoTestClient(harness.http, { auth: { token, sessions: { [sessionId]: 0 } } });
  const items: { type: string }[] = [];
  const feed = new WebSocket(`${harness.ws}/v1/feed`, { headers: { authorization: `Bearer ${token}` } });
  feed.on('message', (data: Buffer) => items.push(JSON.parse(data.toString('utf8'))));
  try {
    await io.event('session_joined');
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    await step.ask('hello');
    await step.open();
    step.say('hm', { channel: 'thought' });
    step.say('I write that.');
    await step.close({ calls: [gatedCall()] });
    const { tool_call_id } = await io.event('tool_approval_request');
    await io.ask('tool_approval', { tool_call_id, approved: false, session_id: sessionId });
    await io.event('tool_approval_resolved');
    await native.frame('tool_approval_resolved');
    const isResolved = (item: { type: string; tool_call_id?: string }) =>
      item.type === 'tool_approval_resolved' && item.tool_call_id === tool_call_id;
    await until(() => items.some(isResolved));
  } finally {
    io.close();
    feed.terminate();
  }
  for (const [channel, got] of Object.entries({ feed: items, session: native.frames })) {
    expect(got.length).toBeGreaterThan(3);
    for (const frame of got) {
      const name = nameOf(frame) ?? 'none';
      expect([name, ...faultsOf(payload(channel, name), frame)]).toEqual([name]);
    }
  }
  const events = new Set(io.got.map(({ event }) => event));
  expect(events.size).toBeGreaterThan(6);
  for (const { event, payload: got } of io.got) {
    expect([event, ...faultsOf(payload('socket_io', event), got)]).toEqual([event]);
  }
});
