import { describe, expect, test } from '@jest/globals';
import { applyText, noText, type StreamText } from '../../src/cli/chat/stream-text.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';

const event = { seq: 1, session_id: 's', ts: 1 };
const start = (attempt: number): ServerFrame => ({
  ...event,
  type: 'stream_start',
  message_id: 'm',
  attempt,
});
const reset = (attempt?: number): ServerFrame => ({
  ...event,
  type: 'stream_reset',
  message_id: 'm',
  ...(attempt === undefined ? {} : { attempt }),
});
const end: ServerFrame = {
  ...event,
  type: 'stream_end',
  message_id: 'm',
  content: 'done',
  finish_reason: 'stop',
  usage: null,
};
const delta = (offset: number, text: string, attempt = 1, message_id = 'm'): ServerFrame => ({
  type: 'stream_delta',
  message_id,
  attempt,
  offset,
  delta: text,
});
const thought = (offset: number, text: string): ServerFrame => ({
  type: 'thought_delta',
  message_id: 'm',
  attempt: 1,
  offset,
  delta: text,
});
const snapshot = (content: string, attempt = 1): ServerFrame => ({
  type: 'stream_snapshot',
  message_id: 'm',
  attempt,
  content,
});
const textOf = (...frames: ServerFrame[]): StreamText => frames.reduce(applyText, noText);
const shown = (...frames: ServerFrame[]) => textOf(...frames).stream?.content;

describe('the text of the open stream', () => {
  test('deltas are appended at their offset, text and thought apart', () => {
    const text = textOf(start(1), thought(0, 'hm'), delta(0, 'Hel'), thought(2, 'm'), delta(3, 'lo'));
    expect(text.stream).toEqual({ messageId: 'm', attempt: 1, content: 'Hello', thought: 'hmm' });
  });

  test('a delta that came before changes nothing; of one that overlaps, the new part counts', () => {
    expect(shown(start(1), delta(0, 'Hello'), delta(0, 'Hello'), delta(3, 'lo'))).toBe('Hello');
    expect(shown(start(1), delta(0, 'Hello'), delta(3, 'lo you'))).toBe('Hello you');
  });

  test('a delta past the end is missing text until a snapshot comes', () => {
    const gap = textOf(start(1), delta(0, 'He'), delta(4, 'o'));
    expect(gap).toMatchObject({ isMissing: true, stream: { content: 'He' } });
    const healed = [snapshot('Hello'), delta(5, '!')].reduce(applyText, gap);
    expect(healed).toMatchObject({ isMissing: false, stream: { content: 'Hello!' } });
  });

  test('a delta of a message or an attempt that was never begun is missing text too', () => {
    expect(textOf(delta(0, 'x')).isMissing).toBe(true);
    expect(textOf(start(1), delta(0, 'x', 2)).isMissing).toBe(true);
    expect(textOf(start(1), delta(0, 'x', 1, 'other')).isMissing).toBe(true);
  });

  test('a new attempt begins at nothing, and what the one before still says is dropped', () => {
    expect(shown(start(1), delta(0, 'old'), reset(2), delta(3, 'er'), delta(0, 'new', 2))).toBe('new');
    expect(shown(start(1), delta(0, 'old'), reset(2), snapshot('old'))).toBe('');
  });

  test('a reset without an attempt and an end close the stream; late frames open none', () => {
    expect(textOf(start(1), delta(0, 'x'), reset())).toEqual({
      stream: null,
      endedId: 'm',
      isMissing: false,
    });
    expect(textOf(start(1), end, delta(0, 'x'), snapshot('x'))).toEqual({
      stream: null,
      endedId: 'm',
      isMissing: false,
    });
  });

  test('a snapshot that lags behind takes nothing back; one that differs replaces', () => {
    expect(shown(start(1), delta(0, 'Hello'), snapshot('Hel'), delta(3, 'lo'), delta(5, '!'))).toBe('Hello!');
    expect(shown(start(1), delta(0, 'Hello'), snapshot('Other'))).toBe('Other');
  });

  test('a new connection forgets that text was missing: it brings a snapshot', () => {
    const welcome: ServerFrame = {
      type: 'welcome',
      session_id: 's',
      connection_id: 'c',
      user: { id: 'u', email: null, name: null },
      last_seq: 1,
      heartbeat_ms: 30_000,
      protocol: 'turngate.v1',
    };
    expect(textOf(start(1), delta(5, 'x'), welcome).isMissing).toBe(false);
  });
});
