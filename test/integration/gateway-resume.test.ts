import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { EventFrame, ServerFrame } from '../../src/protocol/server-frames.ts';
import { removeOldEvents } from '../../src/store/retention.ts';
import { type GatewayHarness, openGatewayHarness, signToken } from '../helpers/gateway.ts';
import { seatParticipants } from '../helpers/participants.ts';
import { seededRandom } from '../helpers/random.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { SseClient } from '../helpers/sse-client.ts';
import { gatedCall, StreamingStep } from '../helpers/streaming.ts';
import { tell } from '../helpers/tell.ts';
import { until } from '../helpers/until.ts';

let harness: GatewayHarness;

beforeAll(async () => {
  harness = await openGatewayHarness({ timings: { pollMs: 300 } });
});
afterAll(() => harness.close());

async function streaming() {
  const sessionId = await harness.session();
  const step = new StreamingStep(harness.db, harness.worker, sessionId);
  await step.ask('talk to me');
  return { sessionId, step };
}

const wordsIn = (frames: readonly ServerFrame[]) =>
  frames.flatMap((frame) => (frame.type === 'external_event' ? [frame.event_id] : []));

async function eventsPage(sessionId: string, sub: string, query = '') {
  const answer = await fetch(`${harness.http}/v1/sessions/${sessionId}/events${query}`, {
    headers: { authorization: `Bearer ${await signToken({ sub })}` },
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as {
    events: EventFrame[];
    last_seq: number;
    next: number | null;
    resync?: { reason: string; last_seq: number };
  };
}

async function sse(sessionId: string, sub: string, lastSeq = 0): Promise<SseClient> {
  const url = `${harness.http}/v1/sessions/${sessionId}/events?after=${lastSeq}`;
  return new SseClient(url, { token: await signToken({ sub }), lastSeq });
}

describe('an event that is not for everybody', () => {
  test('is seen by its audience alone, on every way out, and the others see no gap [event-audience] [live-cursor]', async () => {
    const sessionId = await harness.session();
    await seatParticipants(harness.db, sessionId, { bob: 'member' });
    const token = await signToken({ sub: 'bob' });
    const [alice, bob] = [await harness.connect(sessionId), await harness.connect(sessionId, { token })];
    const streams = [await sse(sessionId, 'alice'), await sse(sessionId, 'bob')];
    await tell(harness, sessionId, 'secret-1', ['bob']);
    await tell(harness, sessionId, 'secret-2', ['bob', 'carol']);
    await tell(harness, sessionId, 'open-1');
    await tell(harness, sessionId, 'secret-3', ['bob']);
    await tell(harness, sessionId, 'hers', ['alice']);
    await tell(harness, sessionId, 'open-2');
    for (const reader of [alice, bob, ...streams]) await until(() => reader.lastSeq === 6);
    alice.resume(0);
    const [late] = [await harness.connect(sessionId, { query: { last_seq: '1' } })];
    await until(() => alice.lastSeq === 6 && late.lastSeq === 6);
    const forAlice = ['open-1', 'hers', 'open-2'];
    const forBob = ['secret-1', 'secret-2', 'open-1', 'secret-3', 'open-2'];
    expect(wordsIn(alice.frames)).toEqual([...forAlice, ...forAlice]);
    expect(wordsIn(late.frames)).toEqual(forAlice);
    expect(wordsIn(streams[0]?.frames ?? [])).toEqual(forAlice);
    expect(wordsIn(bob.frames)).toEqual(forBob);
    expect(wordsIn(streams[1]?.frames ?? [])).toEqual(forBob);
    expect(wordsIn((await eventsPage(sessionId, 'alice')).events)).toEqual(forAlice);
    expect(wordsIn((await eventsPage(sessionId, 'bob')).events)).toEqual(forBob);
    const page = await eventsPage(sessionId, 'alice', '?limit=2');
    expect(page).toMatchObject({ events: [], last_seq: 6, next: 2 });
    for (const reader of [alice, bob, late]) expect(reader.breaches).toEqual([]);
    // A run that is read at once is told by one cursor: 2 stands before the third event, 4 before the fifth.
    expect(late.of('cursor').map(({ seq }) => seq)).toEqual([2, 4]);
    for (const stream of streams) stream.close();
  });
});

describe('a filter', () => {
  test('lets the named types through, and what keeps a stream honest [ws-events] [ws-gaps]', async () => {
    const { sessionId, step } = await streaming();
    const query = { events: 'turn_end,stream_delta' };
    const client = await harness.connect(sessionId, { query });
    await step.open();
    for (let n = 0; n < 30; n += 1) step.say(`w${n} `);
    await until(() => client.textOf(step.messageId) === step.text);
    await step.close();
    const end = await client.frame('turn_end');
    client.send({ type: 'ping', id: 'p' });
    await client.frame('pong');
    client.send({ type: 'cancel', id: 'c' });
    await client.frame('error', ({ id }) => id === 'c');
    const types = new Set(client.frames.map(({ type }) => type));
    expect(types).toEqual(new Set(['welcome', 'cursor', 'stream_delta', 'turn_end', 'pong', 'error']));
    expect(client.lastSeq).toBe(end.seq);
    expect(client.breaches).toEqual([]);
    // From a cursor on, as from an event.
    const cursor = client.of('cursor').at(-1)?.seq ?? 0;
    const again = await harness.connect(sessionId, { query: { ...query, last_seq: String(cursor) } });
    await again.frame('turn_end');
    expect(again.breaches).toEqual([]);
  });

  test('with a type that no frame has is refused [close-1008]', async () => {
    const client = await harness.dial(await harness.session(), { query: { events: 'turn_end,nonsense' } });
    expect((await client.frame('error')).code).toBe('validation_error');
    expect((await client.end()).code).toBe(1008);
  });
});

/** Everything that this session has said so far is removed, as after the retention time. */
async function forget(sessionId: string): Promise<void> {
  const { db } = harness;
  await db.query(`update events set ts = ts - interval '90 days' where session_id = $1`, [sessionId]);
  await db.query(`update turns set ended_at = ended_at - interval '90 days' where session_id = $1`, [
    sessionId,
  ]);
  await db.query('update sessions set retention_at = now() where id = $1', [sessionId]);
  while (await removeOldEvents(db, 30 * 24 * 3_600_000));
}

describe('events that are no longer kept', () => {
  test('are told by resync, on every way out, and delivery goes on after it [live-resync]', async () => {
    const { sessionId, step } = await streaming();
    await step.open();
    await step.close();
    const live = await harness.connect(sessionId);
    await live.frame('turn_end');
    const gone = live.lastSeq;
    await forget(sessionId);
    const asking = async (lastSeq: number) =>
      harness.connect(sessionId, { query: { last_seq: String(lastSeq) } });
    const clients: SessionClient[] = [await asking(0), await asking(2), await asking(gone)];
    await tell(harness, sessionId, 'after');
    const stream = await sse(sessionId, 'alice', 1);
    await until(() => live.lastSeq === gone + 1);
    live.resume(1);
    for (const reader of [...clients, live, stream]) await until(() => reader.lastSeq === gone + 1);
    const resync = [{ type: 'resync', reason: 'retention', last_seq: gone }];
    expect(clients.map((client) => client.of('resync'))).toEqual([resync, resync, []]);
    expect(live.of('resync')).toEqual(resync);
    expect(stream.of('resync')).toEqual(resync);
    expect(stream.lastId).toBe(String(gone + 1));
    for (const reader of [...clients, live]) expect(reader.breaches).toEqual([]);
    expect(await eventsPage(sessionId, 'alice', '?after=1')).toMatchObject({
      resync: { reason: 'retention', last_seq: gone },
      events: [{ seq: gone + 1 }],
      next: null,
    });
    expect(await eventsPage(sessionId, 'alice', `?after=${gone}`)).not.toHaveProperty('resync');
    // A stream goes on in the same session as if nothing had been removed.
    const next = new StreamingStep(harness.db, harness.worker, sessionId);
    await next.ask('and now?');
    await next.open();
    next.say('still here');
    await until(
      () => live.textOf(next.messageId) === next.text && stream.textOf(next.messageId) === next.text,
    );
    stream.close();
  });

  test('a turn whose events are gone is told by its ack and resync when it is asked for again', async () => {
    const { sessionId } = await streaming();
    const path = `${harness.http}/v1/sessions/${sessionId}/messages`;
    const body = { id: 'once', content: 'a thing' };
    const post = async () => new SseClient(path, { token: await signToken(), body });
    const first = await post();
    const ack = await first.frame('ack');
    first.close();
    await harness.db.query(`update turns set status = 'completed', ended_at = now() where session_id = $1`, [
      sessionId,
    ]);
    await forget(sessionId);
    const again = await post();
    await again.end();
    expect(again.frames[0]).toEqual(ack);
    expect(again.frames.at(-1)?.type).toBe('resync');
  });
});

describe('resume', () => {
  test('works any number of times, from anywhere, in the middle of text and reasoning', async () => {
    const random = seededRandom(7);
    const { sessionId, step } = await streaming();
    const client = await harness.connect(sessionId);
    await step.open();
    const isWhole = () =>
      client.textOf(step.messageId) === step.text && client.view.thoughtOf(step.messageId) === step.thought;
    for (let n = 0; n < 60; n += 1) {
      step.say(`hm${n} 😀 `, { channel: 'thought' });
      step.say(`word${n} 😀 `);
      if (n % 7 === 0) await step.draft();
      if (random() < 0.6) continue;
      // With nothing on its way, so that whatever comes next is from there.
      await until(isWhole);
      client.resume(Math.floor(random() * 4));
      await until(() => client.lastSeq >= 3 && isWhole());
    }
    await until(isWhole);
    const other = await harness.connect(sessionId, { query: { last_seq: '3' } });
    await until(() => other.view.thoughtOf(step.messageId) === step.thought);
    expect(other.textOf(step.messageId)).toBe(step.text);
    await step.close();
    await client.frame('turn_end');
    expect(client.view.shown.get(step.messageId)).toMatchObject({
      text: step.text,
      thought: step.thought,
      isFinal: true,
    });
    expect(client.breaches).toEqual([]);
    expect(other.breaches).toEqual([]);
  });

  test('while an approval is pending brings the request again, and what waits', async () => {
    const { sessionId, step } = await streaming();
    await step.open();
    step.say('I ask first');
    await step.close({ calls: [gatedCall()] });
    const client = await harness.connect(sessionId);
    const request = await client.frame('tool_approval_request');
    const last = client.lastSeq;
    for (const lastSeq of [0, request.seq - 1, request.seq, last]) {
      const again = await harness.connect(sessionId, { query: { last_seq: String(lastSeq) } });
      await again.frame('agent_status', ({ status }) => status === 'waiting_approval');
      expect(again.of('tool_approval_request').length).toBe(lastSeq < request.seq ? 1 : 0);
      expect(again.lastSeq).toBe(last);
      expect(again.breaches).toEqual([]);
    }
  });

  test('a stream that has said nothing yet is told by an empty snapshot', async () => {
    const { sessionId, step } = await streaming();
    const events = await step.open();
    const lastSeq = String(events.at(-1)?.frame.seq);
    const client = await harness.connect(sessionId, { query: { last_seq: lastSeq } });
    const snapshot = await client.frame('stream_snapshot');
    expect(snapshot).toMatchObject({ message_id: step.messageId, attempt: 1, content: '' });
  });

  test('of a session whose turns wait and that no worker serves says thinking', async () => {
    const { sessionId } = await streaming();
    const client = await harness.connect(sessionId, { query: { last_seq: '1' } });
    const status = await client.frame('agent_status');
    expect(status.status).toBe('thinking');
  });
});
