import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { SseClient, type SseOptions } from '../helpers/sse-client.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;
const clients: SseClient[] = [];
const origin = 'https://app.example.com';

beforeAll(async () => {
  harness = await openGatewayHarness({
    origins: origin,
    timings: { pollMs: 300, sweepMs: 50, keepAliveMs: 100 },
  });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await harness.close();
});

async function open(path: string, options: Partial<SseOptions> = {}): Promise<SseClient> {
  const client = new SseClient(`${harness.http}${path}`, { token: await signToken(), ...options });
  clients.push(client);
  return client;
}

async function streaming() {
  const sessionId = await harness.session();
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('talk to me');
  return { sessionId, step, path: `/v1/sessions/${sessionId}/events` };
}

describe('events as a stream', () => {
  test('bring a turn with its deltas; events have an id, deltas have none [sse-stream] [sse-id] [sse-keepalive]', async () => {
    const { step, path } = await streaming();
    const client = await open(path);
    await client.frame('welcome');
    await step.open();
    step.say('hm ', { channel: 'thought' });
    for (let n = 0; n < 100; n += 1) step.say(`word${n} 😀 `);
    await until(() => client.textOf(step.messageId) === step.text);
    await step.close();
    await client.frame('turn_end');
    expect(client.textOf(step.messageId)).toBe(step.text);
    expect(client.view.breaches).toEqual([]);
    client.frames.forEach((frame, index) => {
      const id = 'seq' in frame ? String(frame.seq) : undefined;
      expect(client.ids[index]).toBe(id);
    });
    expect(client.of('stream_delta').length).toBeGreaterThan(0);
    await until(() => client.comments > 1);
  });

  test('go on after Last-Event-ID, in mid-stream, with a snapshot [sse-resume]', async () => {
    const { step, path } = await streaming();
    const first = await open(path);
    await first.frame('welcome');
    await step.open();
    step.say('said so far, ');
    await until(() => first.textOf(step.messageId) === step.text);
    first.close();
    step.say('and more ');
    // Nobody else is connected: what was said meanwhile is in the draft alone.
    await step.draft();
    const headers = { 'last-event-id': first.lastId ?? '' };
    const second = await open(`${path}?after=0`, { headers, lastSeq: first.lastSeq });
    await until(() => second.textOf(step.messageId) === step.text);
    expect(second.of('message_saved')).toEqual([]);
    expect(second.of('stream_snapshot').length).toBe(1);
    const third = await open(`${path}?after=1`, { lastSeq: 1 });
    await until(() => third.textOf(step.messageId) === step.text);
    await step.close();
    for (const client of [second, third]) {
      await client.frame('turn_end');
      expect(client.textOf(step.messageId)).toBe(step.text);
      expect(client.view.breaches).toEqual([]);
    }
  });

  test('may be filtered; cursors say how far it came [sse-filter]', async () => {
    const { step, path } = await streaming();
    const client = await open(`${path}?events=turn_end`);
    await step.open();
    step.say('not asked for');
    const [end] = await step.close();
    await client.frame('turn_end');
    expect(new Set(client.frames.map(({ type }) => type))).toEqual(
      new Set(['welcome', 'cursor', 'turn_end']),
    );
    expect(client.view.breaches).toEqual([]);
    expect(client.lastSeq).toBe((end?.frame.seq ?? 0) + 1);
    expect(client.lastId).toBe(String(client.lastSeq));
    const wrong = await open(`${path}?events=turn_end,nonsense`);
    await wrong.end();
    expect(wrong.status).toBe(400);
    expect(JSON.parse(wrong.text)).toMatchObject({ code: 'validation_error' });
  });

  test('are refused as any request is', async () => {
    const { path, sessionId } = await streaming();
    const statuses = [
      await open(path, { token: 'nonsense' }),
      await open(path, { token: await signToken({ sub: 'bob' }) }),
      await open(path.replace(sessionId, '0193b0aa-0000-7000-8000-000000000000')),
      await open(path, { headers: { origin: 'https://evil.example.com' } }),
    ];
    for (const client of statuses) await client.end();
    expect(statuses.map(({ status }) => status)).toEqual([401, 403, 404, 403]);
  });

  test('take the token from the query, as browsers have no other way; nothing else does [sse-token]', async () => {
    const { path } = await streaming();
    const headers = { authorization: '' };
    const query = `?token=${await signToken()}`;
    const client = await open(`${path}${query}`, { headers });
    await client.frame('welcome');
    expect((await fetch(`${harness.http}${path}${query}`)).status).toBe(401);
    // What changes something never takes it from its address, whatever it accepts.
    for (const method of ['DELETE', 'PATCH', 'POST']) {
      const session = path.replace(/\/events$/, method === 'POST' ? '/messages' : '');
      const headers = { accept: 'text/event-stream', 'content-type': 'application/json' };
      const body = '{"content":"hello","title":"mine"}';
      const reply = await fetch(`${harness.http}${session}${query}`, { method, headers, body });
      expect([method, reply.status]).toEqual([method, 401]);
    }
  });

  test('may be read by a page of an allowed origin', async () => {
    const { path } = await streaming();
    const client = await open(path, { headers: { origin } });
    await client.frame('welcome');
    expect(client.headers['access-control-allow-origin']).toBe(origin);
    const preflight = await fetch(`${harness.http}${path}`, { method: 'OPTIONS', headers: { origin } });
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Last-Event-ID');
  });

  test('end when the token expires, and say why [sse-close]', async () => {
    const { path } = await streaming();
    const client = await open(path, { token: await signToken({}, { expires: '1s' }) });
    await client.frame('welcome');
    await until(() => client.goodbye !== null);
    expect(client.goodbye).toMatchObject({ code: 4010 });
    await client.end();
  });
});

describe('a message that asks for a stream', () => {
  test('gets the ack first, then its turn to its end, and nothing of other turns [sse-turn]', async () => {
    const sessionId = await harness.session();
    const before = new StreamingStep(harness.db, harness.worker, sessionId);
    await before.ask('an earlier one');
    await before.open();
    const body = { id: 'm1', content: 'and this?' };
    const path = `/v1/sessions/${sessionId}/messages`;
    const client = await open(path, { body });
    const ack = await client.frame('ack');
    expect(client.frames[0]).toBe(ack);
    expect(ack).toMatchObject({ id: 'm1', disposition: 'queued' });
    before.say('of the other turn');
    await before.close();
    const step = new StreamingStep(harness.db, harness.worker, sessionId);
    await step.open();
    expect(step.turnId).toBe(ack.turn_id);
    step.say('an answer, ');
    step.say('in two parts');
    await until(() => client.textOf(step.messageId) === step.text);
    await step.close();
    await client.end();
    expect(client.frames.at(-1)).toMatchObject({ type: 'turn_end', turn_id: ack.turn_id });
    const turns = client.frames.flatMap((frame) =>
      'turn_id' in frame && frame.turn_id !== undefined ? [frame.turn_id] : [],
    );
    expect(new Set(turns)).toEqual(new Set([ack.turn_id]));
    const said = client.of('stream_delta').map(({ delta }) => delta);
    expect(said.join('')).toBe(step.text);
    // Sent again when all is over: the same ack, the same turn.
    const again = await open(path, { body });
    await again.end();
    expect(again.frames[0]).toEqual(ack);
    expect(again.of('stream_end')[0]?.content).toBe(step.text);
    expect(again.frames.at(-1)).toEqual(client.frames.at(-1));
  });

  test('that is wrong gets a problem', async () => {
    const sessionId = await harness.session();
    const client = await open(`/v1/sessions/${sessionId}/messages`, { body: { content: '' } });
    await client.end();
    expect(client.status).toBe(400);
    expect(client.headers['content-type']).toBe('application/problem+json');
  });
});

test('a gateway that drains ends its streams with the time to come back after', async () => {
  const leaving = await openGatewayHarness({});
  const sessionId = await leaving.session();
  const url = `${leaving.http}/v1/sessions/${sessionId}/events`;
  const client = new SseClient(url, { token: await signToken() });
  clients.push(client);
  await client.frame('welcome');
  await leaving.close();
  await client.end();
  expect(client.goodbye).toMatchObject({ code: 1012 });
  expect(client.retryMs).toBeGreaterThan(0);
});
