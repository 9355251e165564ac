import { describe, expect, test } from '@jest/globals';
import { decodePayload, payloadMaxBytes } from '../../src/live/codec.ts';
import { channels, Outbox, type Payload } from '../../src/live/outbox.ts';
import type { LiveDelta, SessionMessage } from '../../src/live/port.ts';
import type { EventFrame } from '../../src/protocol/server-frames.ts';

const delta = (
  sessionId: string,
  offset: number,
  text: string,
  more: Partial<LiveDelta> = {},
): LiveDelta => ({
  kind: 'delta',
  sessionId,
  messageId: `m-${sessionId}`,
  attempt: 1,
  channel: 'text',
  offset,
  delta: text,
  ...more,
});
const event = (sessionId: string, seq: number, content = 'x'): EventFrame => ({
  type: 'message_saved',
  seq,
  session_id: sessionId,
  ts: 1,
  turn_id: 't',
  message_id: 'm',
  role: 'user',
  content,
  attachments: [],
});
const events = (sessionId: string, ...list: EventFrame[]): SessionMessage => ({
  kind: 'events',
  sessionId,
  events: list,
});
const messagesOf = (payloads: Payload[]) =>
  payloads
    .filter(({ channel }) => channel === channels.session)
    .flatMap(({ payload }) => decodePayload(payload).messages);

function takeAll(outbox: Outbox): Payload[] {
  const all: Payload[] = [];
  while (!outbox.isEmpty) all.push(...outbox.take(8));
  return all;
}

describe('the outbox', () => {
  test('merges contiguous deltas of one stream, also between those of others', () => {
    const outbox = new Outbox('p');
    outbox.add(delta('a', 0, 'Hel'));
    outbox.add(delta('b', 0, 'x'));
    outbox.add(delta('a', 3, 'lo'));
    expect(messagesOf(takeAll(outbox))).toEqual([delta('a', 0, 'Hello'), delta('b', 0, 'x')]);
  });

  test('merges nothing over a gap, an attempt, a channel or an event', () => {
    const outbox = new Outbox('p');
    const sent: SessionMessage[] = [
      delta('a', 0, 'ab'),
      delta('a', 3, 'd'),
      delta('a', 4, 'e', { attempt: 2 }),
      delta('a', 5, 'f', { attempt: 2, channel: 'thought' }),
      events('a', event('a', 1)),
      delta('a', 6, 'g', { attempt: 2, channel: 'thought' }),
    ];
    for (const message of sent) outbox.add(message);
    expect(messagesOf(takeAll(outbox))).toEqual(sent);
  });

  test('does not change what was published, nor what was taken', () => {
    const outbox = new Outbox('p');
    const first = delta('a', 0, 'x');
    outbox.add(first);
    const taken = outbox.take(8);
    outbox.add(delta('a', 1, 'y'));
    expect(first.delta).toBe('x');
    expect(messagesOf(taken)).toEqual([delta('a', 0, 'x')]);
    expect(messagesOf(takeAll(outbox))).toEqual([delta('a', 1, 'y')]);
  });

  test('packs many messages into payloads under the bound, no two alike, in order', () => {
    const outbox = new Outbox('p');
    for (let n = 0; n < 500; n += 1) outbox.add(delta(`s${n}`, 0, 'übergröße€'.repeat(n % 20)));
    for (let n = 0; n < 3; n += 1) outbox.add(events('s0', event('s0', n + 1, '€'.repeat(2_000))));
    const payloads = takeAll(outbox);
    for (const { payload } of payloads)
      expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(payloadMaxBytes);
    expect(new Set(payloads.map(({ payload }) => payload)).size).toBe(payloads.length);
    expect(messagesOf(payloads).length).toBeGreaterThanOrEqual(501);
    expect(payloads.length).toBeLessThan(60);
  });

  test('the same nudge twice makes two payloads that differ', () => {
    const outbox = new Outbox('p');
    outbox.addNudge({ kind: 'stop', turnId: 't' });
    const first = takeAll(outbox);
    outbox.addNudge({ kind: 'stop', turnId: 't' });
    const second = takeAll(outbox);
    expect(first[0]?.channel).toBe(channels.nudge);
    expect(first[0]?.payload).not.toBe(second[0]?.payload);
    expect(decodePayload(second[0]?.payload ?? '').nudges).toEqual([{ kind: 'stop', turnId: 't' }]);
  });

  test('announces an event that is too large, in its place', () => {
    const outbox = new Outbox('p');
    outbox.add(events('a', event('a', 1), event('a', 2, 'x'.repeat(9_000)), event('a', 3)));
    expect(messagesOf(takeAll(outbox))).toEqual([
      events('a', event('a', 1)),
      { kind: 'announce', sessionId: 'a', lastSeq: 2 },
      events('a', event('a', 3)),
    ]);
  });

  test('is bounded: the oldest deltas go first and are counted, events stay', () => {
    const outbox = new Outbox('p', 20_000);
    outbox.add(events('a', event('a', 1)));
    for (let n = 0; n < 200; n += 1) outbox.add(delta(`s${n}`, 0, 'x'.repeat(100)));
    expect(outbox.dropped).toBeGreaterThan(0);
    const left = messagesOf(takeAll(outbox));
    expect(left[0]).toEqual(events('a', event('a', 1)));
    expect(left.at(-1)).toEqual(delta('s199', 0, 'x'.repeat(100)));
    expect(left.length - 1).toBe(200 - outbox.dropped);
  });

  test('is bounded: too many events become one announcement a session', () => {
    const outbox = new Outbox('p', 20_000);
    for (let seq = 1; seq <= 100; seq += 1) {
      outbox.add(events('a', event('a', seq, 'x'.repeat(300))));
      outbox.add(events('b', event('b', seq, 'x'.repeat(300))));
    }
    const reached = new Map<string, number>();
    for (const message of messagesOf(takeAll(outbox))) {
      const seq =
        message.kind === 'announce' ? message.lastSeq : 'events' in message ? message.events.at(-1)?.seq : 0;
      expect(seq).toBeGreaterThan(reached.get(message.sessionId) ?? 0);
      reached.set(message.sessionId, seq ?? 0);
    }
    expect([...reached]).toEqual(
      expect.arrayContaining([
        ['a', 100],
        ['b', 100],
      ]),
    );
  });

  test('is bounded even when one stream grows without end', () => {
    const outbox = new Outbox('p', 20_000);
    for (let n = 0; n < 100; n += 1) outbox.add(delta('a', n * 1_000, 'x'.repeat(1_000)));
    const chars = takeAll(outbox).reduce((sum, { payload }) => sum + payload.length, 0);
    expect(chars).toBeLessThan(30_000);
    expect(outbox.dropped).toBeGreaterThan(0);
  });
});
