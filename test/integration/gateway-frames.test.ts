import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/protocol/limits.ts';
import { type GatewayHarness, openGatewayHarness } from '../helpers/gateway.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness();
});
afterAll(() => harness.close());

async function client(): Promise<SessionClient> {
  return harness.connect(await harness.session());
}

describe('frames and their answers', () => {
  test('a message is acked with its turn, and everybody sees it [client-message] [live-ack] [ack-message] [event-message_saved] [frame-id]', async () => {
    const sessionId = await harness.session();
    const [phone, desk] = [await harness.connect(sessionId), await harness.connect(sessionId)];
    phone.send({ type: 'message', id: 'm1', content: 'hello' });
    const ack = await phone.frame('ack');
    expect(ack).toMatchObject({ id: 'm1', disposition: 'started' });
    for (const one of [phone, desk]) {
      const saved = await one.frame('message_saved');
      expect(saved).toMatchObject({
        content: 'hello',
        client_message_id: 'm1',
        turn_id: ack.turn_id,
        seq: 1,
      });
    }
    phone.send({ type: 'message', message_id: 'm2', content: 'and' });
    expect(await phone.frame('ack', ({ id }) => id === 'm2')).toMatchObject({ disposition: 'queued' });
    expect(phone.breaches).toEqual([]);
  });

  test('the same message five times: equal acks, one turn [error-conflict]', async () => {
    const one = await client();
    for (let n = 0; n < 5; n += 1) one.send({ type: 'message', id: 'same', content: 'hello' });
    await until(() => one.of('ack').length === 5);
    expect(new Set(one.of('ack').map((ack) => JSON.stringify(ack))).size).toBe(1);
    await one.frame('message_saved');
    one.send({ type: 'message', id: 'same', content: 'other' });
    expect(await one.frame('error')).toMatchObject({ code: 'conflict', id: 'same' });
    expect(one.of('message_saved').length).toBe(1);
  });

  test('a message without an id gets one', async () => {
    const one = await client();
    one.send({ type: 'message', content: 'hello' });
    const { id } = await one.frame('ack');
    expect(await one.frame('message_saved')).toMatchObject({ client_message_id: id });
  });

  test('answers come in the order of the frames, and too many at once are refused [frame-order] [error-rate_limit]', async () => {
    const one = await client();
    for (let n = 0; n < 100; n += 1) one.send({ type: 'cancel', id: `c${n}` });
    await until(() => one.of('error').length === 100);
    const answered = one.of('error').filter(({ code }) => code === 'not_found');
    const refused = one.of('error').filter(({ code }) => code === 'rate_limit');
    expect(answered.length).toBeGreaterThanOrEqual(64);
    expect(answered.length + refused.length).toBe(100);
    const order = answered.map(({ id }) => Number(id?.slice(1)));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  test('ping is answered, pong is taken [client-ping] [client-pong] [live-pong]', async () => {
    const one = await client();
    one.send({ type: 'pong' });
    one.send({ type: 'ping', id: 'p1' });
    expect(await one.frame('pong')).toEqual({ type: 'pong', id: 'p1' });
    expect(one.of('error')).toEqual([]);
  });

  test('a decision is recorded once: again the same ack, otherwise the one that stands [client-tool_approval] [ack-decision] [event-tool_approval_resolved]', async () => {
    const sessionId = await harness.session();
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    const call = gatedCall();
    const [one, other] = [await harness.connect(sessionId), await harness.connect(sessionId)];
    await step.ask('send it');
    await step.open();
    await step.close({ calls: [call] });
    await one.frame('tool_approval_request', ({ tool_call_id }) => tool_call_id === call.toolCallId);
    await one.frame('agent_status', ({ status }) => status === 'waiting_approval');
    const decision = { type: 'tool_approval', tool_call_id: call.toolCallId, approved: true };
    one.send({ ...decision, id: 'd0', arguments_hash: 'of something else' });
    expect(await one.frame('error')).toMatchObject({
      code: 'conflict',
      id: 'd0',
      tool_call_id: call.toolCallId,
    });
    one.send({ ...decision, id: 'd1', arguments_hash: call.argumentsHash });
    const first = await one.frame('ack', ({ id }) => id === 'd1');
    expect(first).toMatchObject({ disposition: 'recorded', decision: { decision: 'approved', by: 'alice' } });
    one.send({ ...decision, id: 'd2' });
    expect(await one.frame('ack', ({ id }) => id === 'd2')).toEqual({ ...first, id: 'd2' });
    other.send({ ...decision, approved: false, id: 'd3' });
    expect(await other.frame('ack', ({ id }) => id === 'd3')).toEqual({
      type: 'ack',
      id: 'd3',
      disposition: 'conflict',
      decision: first.decision,
    });
    await other.frame('tool_approval_resolved');
    one.send({ type: 'tool_approval', tool_call_id: 'unknown', approved: true, id: 'd4' });
    expect(await one.frame('error', ({ id }) => id === 'd4')).toMatchObject({
      code: 'not_found',
      tool_call_id: 'unknown',
    });
    expect(one.breaches).toEqual([]);
  });

  test('cancel ends a queued turn and nudges the worker of a running one [client-cancel] [ack-cancel]', async () => {
    const sessionId = await harness.session();
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    const nudges: unknown[] = [];
    const unsubscribe = await harness.worker.subscribeNudges((nudge) => nudges.push(nudge));
    const one = await harness.connect(sessionId);
    await step.ask('go');
    await step.open();
    one.send({ type: 'message', id: 'queued', content: 'next' });
    const { turn_id } = await one.frame('ack', ({ id }) => id === 'queued');
    one.send({ type: 'cancel', id: 'c1', turn_id });
    expect(await one.frame('ack', ({ id }) => id === 'c1')).toMatchObject({ turn_id });
    await one.frame('turn_end', (end) => end.turn_id === turn_id && end.status === 'cancelled');
    one.send({ type: 'cancel', id: 'c2' });
    expect(await one.frame('ack', ({ id }) => id === 'c2')).toMatchObject({ turn_id: step.turnId });
    await until(() => nudges.length === 1);
    expect(nudges).toEqual([{ kind: 'cancel', turnId: step.turnId }]);
    await unsubscribe();
  });
});

describe('hostile frames', () => {
  const nul = String.fromCharCode(0);
  const deep = 100_000;
  const frames: [string, string | Buffer, Record<string, unknown>?][] = [
    ['what is no JSON', '{"type":"mess'],
    ['an empty frame', ''],
    ['null', 'null'],
    ['an array', '[]'],
    ['a number', '1'],
    ['no type', '{}'],
    ['an unknown type', '{"type":"destroy","id":"x"}', { id: 'x' }],
    ['a type that is no string', '{"type":{"a":1}}'],
    ['the prototype', '{"type":"__proto__"}'],
    ['content of a wrong type', '{"type":"message","id":"x","content":5}', { id: 'x' }],
    ['no content', '{"type":"message","id":"x"}', { id: 'x' }],
    ['empty content', '{"type":"message","id":"x","content":""}', { id: 'x' }],
    ['NUL as an escape', '{"type":"message","id":"x","content":"a\\u0000b"}', { id: 'x' }],
    ['NUL in an id', '{"type":"message","id":"a\\u0000","content":"a"}'],
    ['a raw control character', `{"type":"message","content":"a${nul}"}`],
    ['a lone surrogate', '{"type":"message","id":"x","content":"\\ud800"}', { id: 'x' }],
    ['a lone surrogate in a key', '{"type":"message","content":"a","\\ud800":1}'],
    ['an id that is too long', JSON.stringify({ type: 'message', id: 'x'.repeat(65), content: 'a' })],
    ['content that is too long', JSON.stringify({ type: 'message', content: 'x'.repeat(100_001) })],
    ['attachments that are no list', '{"type":"message","content":"a","attachments":{}}'],
    ['an unknown on_busy', '{"type":"message","content":"a","on_busy":"sometimes"}'],
    [
      'edited arguments that are no object',
      '{"type":"tool_approval","tool_call_id":"c","approved":true,"arguments":[]}',
    ],
    [
      'an edit that cannot be kept as it is',
      '{"type":"tool_approval","id":"x","tool_call_id":"c","approved":true,"arguments":{"a":[{"__proto__":1}]}}',
      { id: 'x', error: expect.stringMatching(/^Field "arguments\.a\.0\.__proto__": /) },
    ],
    [
      'an edit that is too deep',
      `{"type":"tool_approval","id":"x","tool_call_id":"c","approved":true,"arguments":{"a":${'['.repeat(65)}${']'.repeat(65)}}}`,
      { id: 'x', error: 'Field "arguments.a": is nested deeper than 64.' },
    ],
    [
      'an edit with a number that is too large',
      '{"type":"tool_approval","id":"x","tool_call_id":"c","approved":true,"arguments":{"a":[1e999]}}',
      { id: 'x', error: 'Field "arguments.a": holds a number that is too large.' },
    ],
    [
      'an answer with a number that is too large',
      '{"type":"input_response","id":"x","request_id":"r","action":"accept","content":{"a":-1e999}}',
      { id: 'x', error: 'Field "content": holds a number that is too large.' },
    ],
    [
      'an answer that is too deep',
      `{"type":"input_response","id":"x","request_id":"r","action":"accept","content":${'['.repeat(65)}${']'.repeat(65)}}`,
      { id: 'x', error: 'Field "content": is nested deeper than 64.' },
    ],
    ['an unknown remember', '{"type":"tool_approval","tool_call_id":"c","approved":true,"remember":"ever"}'],
    ['approved as a string', '{"type":"tool_approval","tool_call_id":"c","approved":"true"}'],
    ['a negative last_seq', '{"type":"resume","last_seq":-1}'],
    ['a last_seq with a fraction', '{"type":"resume","last_seq":1.5}'],
    ['an answer that is none', '{"type":"input_response","request_id":"r","action":"perhaps"}'],
    ['nesting without end', `{"type":"message","content":"a","x":${'['.repeat(deep)}${']'.repeat(deep)}}`],
    ['a binary frame', Buffer.from('{"type":"ping"}')],
  ];

  test('each is answered with an error, and a neighbour sees nothing of it [frame-invalid] [live-error] [error-validation_error]', async () => {
    const sessionId = await harness.session();
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    const neighbour = await harness.connect(sessionId);
    const hostile = await harness.connect(sessionId);
    await step.ask('talk');
    await step.open();
    for (const [name, frame, expected] of frames) {
      const before = hostile.of('error').length;
      hostile.socket.send(frame);
      step.say(`${name} 😀 `);
      await until(() => hostile.of('error').length > before);
      expect([name, hostile.of('error').at(-1)]).toMatchObject([
        name,
        { code: 'validation_error', ...expected },
      ]);
      expect(hostile.of('error').length).toBe(before + 1);
    }
    await until(() => neighbour.textOf(step.messageId) === step.text);
    await step.close();
    await neighbour.frame('turn_end');
    expect(neighbour.textOf(step.messageId)).toBe(step.text);
    expect(neighbour.breaches).toEqual([]);
    expect(hostile.breaches).toEqual([]);
    expect(hostile.closed).toBeNull();
    expect(neighbour.of('error')).toEqual([]);
  });

  test('a frame over the bound closes with 4013, one over the hard cap with 1006 [close-4013] [close-1006]', async () => {
    const large = await client();
    large.socket.send(JSON.stringify({ type: 'message', content: 'x'.repeat(limits.frameBytes) }));
    expect(await large.end()).toEqual({ code: 4013, reason: 'Frame too large' });
    const larger = await client();
    larger.socket.send('x'.repeat(limits.frameHardCapBytes + 1));
    expect((await larger.end()).code).toBe(1006);
    const invalid = await client();
    invalid.socket.send(Buffer.from([0xff, 0xfe, 0xfd]), { binary: false });
    expect((await invalid.end()).code).toBe(1006);
    expect((await fetch(`${harness.http}/healthz`)).status).toBe(200);
  });

  test('unknown fields are ignored [frame-unknown_field]', async () => {
    const one = await client();
    one.send({ type: 'message', id: randomUUID(), content: 'hello', colour: 'blue' });
    await one.frame('ack');
  });
});
