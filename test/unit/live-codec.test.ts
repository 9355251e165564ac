import { describe, expect, test } from '@jest/globals';
import {
  decodePayload,
  encodeAnnouncement,
  encodeDelta,
  encodeEvent,
  encodeNotice,
  encodeNudge,
  itemMaxBytes,
} from '../../src/live/codec.ts';
import type { LiveDelta } from '../../src/live/port.ts';
import type { EventFrame } from '../../src/protocol/server-frames.ts';

const delta = (text: string, offset = 0): LiveDelta => ({
  kind: 'delta',
  sessionId: '0193b0aa-0000-7000-8000-000000000001',
  messageId: '0193b0aa-0000-7000-8000-000000000002',
  attempt: 1,
  channel: 'text',
  offset,
  delta: text,
});
const event = (content: string, seq = 7): EventFrame => ({
  type: 'message_saved',
  seq,
  session_id: 's',
  ts: 1,
  turn_id: 't',
  message_id: 'm',
  role: 'user',
  content,
  attachments: [],
});
const decode = (items: string[]) => decodePayload(`["p",1,${items.join(',')}]`);

describe('what the live plane carries', () => {
  test('comes out as it went in', () => {
    const notice = {
      kind: 'notice' as const,
      sessionId: 's',
      frame: { type: 'agent_status' as const, status: 'thinking' as const, details: { heartbeat_at: 5 } },
    };
    const thought: LiveDelta = { ...delta('hm "quoted" \n \u0000 \u2028'), channel: 'thought', offset: 3 };
    const items = [
      ...encodeDelta(delta('hello')),
      ...encodeDelta(thought),
      encodeEvent(event('one', 7)),
      encodeEvent(event('two', 8)),
      encodeAnnouncement('s', 9),
      encodeNotice(notice),
      encodeNudge({ kind: 'cancel', turnId: 't' }),
    ].filter((item) => item !== null);
    const { messages, nudges } = decode(items);
    expect(messages).toEqual([
      delta('hello'),
      thought,
      { kind: 'events', sessionId: 's', events: [event('one', 7), event('two', 8)] },
      { kind: 'announce', sessionId: 's', lastSeq: 9 },
      notice,
    ]);
    expect(nudges).toEqual([{ kind: 'cancel', turnId: 't' }]);
  });

  test('leaves out what this version does not know', () => {
    expect(decode(['[99,"s"]', '7', '{"a":1}', ...encodeDelta(delta('x'))]).messages).toEqual([delta('x')]);
    expect(decodePayload('{}').messages).toEqual([]);
  });

  test.each([
    ['plain', 'a'],
    ['three-byte', '€'],
    ['surrogate pairs', '😀'],
    ['pairs off by one', `a${'😀'}`],
    ['escaped', '\u0000"\\'],
  ])('splits a large delta of %s text into pieces that fit and join', (_, unit) => {
    const text = unit.repeat(Math.ceil(40_000 / unit.length));
    const items = encodeDelta(delta(text, 11));
    expect(items.length).toBeGreaterThan(1);
    let joined = '';
    for (const message of decode(items).messages) {
      if (message.kind !== 'delta') throw new Error('not a delta');
      expect(message.offset).toBe(11 + joined.length);
      expect(message.delta.isWellFormed()).toBe(true);
      joined += message.delta;
    }
    expect(joined).toBe(text);
    for (const item of items) expect(Buffer.byteLength(item)).toBeLessThanOrEqual(itemMaxBytes);
  });

  test('an event is measured in bytes, not in characters', () => {
    expect(encodeEvent(event('x'.repeat(7_000)))).not.toBeNull();
    expect(encodeEvent(event('€'.repeat(2_900)))).toBeNull();
    expect(encodeEvent(event('x'.repeat(8_000)))).toBeNull();
  });
});
