import { afterEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type Attendee, Presence } from '../../src/gateway/presence.ts';
import { Typing } from '../../src/gateway/typing.ts';
import type { GatewayNudge } from '../../src/live/port.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import type { SessionPresence } from '../../src/store/presence.ts';
import { until } from '../helpers/until.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

class Reader implements Attendee {
  readonly id: string;
  readonly sessionId: string;
  readonly identity: { userId: string };
  readonly frames: ServerFrame[] = [];
  hasRoom = true;

  constructor(id: string, userId: string, sessionId = 's') {
    this.id = id;
    this.sessionId = sessionId;
    this.identity = { userId };
  }

  offer({ frame }: { frame: ServerFrame }): boolean {
    if (this.hasRoom) this.frames.push(frame);
    return this.hasRoom;
  }
}

describe('presence', () => {
  function presenceOf(store: Map<string, SessionPresence>, everyMs = 10) {
    const resumed: string[] = [];
    let reads = 0;
    const presence = new Presence({
      read: async (ids) => {
        reads += 1;
        if (reads === 1) throw new Error('on purpose');
        return new Map([...store].filter(([id]) => ids.includes(id)));
      },
      resume: (id) => resumed.push(id),
      everyMs,
      logger: pino({ level: 'silent' }),
    });
    ends.push(() => presence.close());
    return { presence, resumed };
  }
  const users = (...ids: string[]) => ids.map((user_id) => ({ user_id, devices: 1 }));

  test('reaches who had no room as soon as there is some, and outlives a store that fails', async () => {
    const store = new Map<string, SessionPresence>([['s', { state: 'active', users: users('a', 'b') }]]);
    const { presence } = presenceOf(store);
    const [quick, slow] = [new Reader('1', 'a'), new Reader('2', 'b')];
    slow.hasRoom = false;
    presence.join(quick);
    presence.join(slow);
    await until(() => quick.frames.length === 1);
    store.set('s', { state: 'active', users: users('a', 'b', 'c') });
    await until(() => quick.frames.length === 2);
    expect(slow.frames).toEqual([]);
    slow.hasRoom = true;
    await until(() => slow.frames.length === 1);
    expect(slow.frames).toEqual([{ type: 'presence', users: users('a', 'b', 'c') }]);
    presence.leave(quick);
    presence.leave(slow);
    expect(presence.size).toBe(0);
  });

  test('of a suspended session asks for it to be made active, and names at most 500 users', async () => {
    const many = users(...Array.from({ length: 600 }, (_, n) => `u${n}`));
    const { presence, resumed } = presenceOf(new Map([['s', { state: 'suspended', users: many }]]));
    const reader = new Reader('1', 'u1');
    presence.join(reader);
    await until(() => reader.frames.length === 1);
    expect(resumed).toContain('s');
    expect(reader.frames[0]).toEqual({ type: 'presence', users: many.slice(0, 500) });
  });
});

describe('typing', () => {
  function typingOf(readers: Reader[], expiresMs = 60_000) {
    const nudges: GatewayNudge[] = [];
    const typing: Typing = new Typing({
      live: {
        nudgeGateways: (nudge) => {
          nudges.push(nudge);
          if (nudge.kind === 'typing') typing.heard(nudge);
        },
      },
      attendees: (sessionId) => readers.filter((reader) => reader.sessionId === sessionId),
      timings: { expiresMs, againMs: 0, tickMs: 5 },
    });
    ends.push(() => typing.close());
    return { typing, nudges };
  }
  const told = (reader: Reader) =>
    reader.frames.map((frame) => frame.type === 'typing' && `${frame.user_id} ${frame.active}`);

  test('a user with two connections types until both have stopped, and each is told of the other', () => {
    const [one, two, other] = [new Reader('1', 'a'), new Reader('2', 'a'), new Reader('3', 'b')];
    const { typing } = typingOf([one, two, other]);
    typing.say(one, true);
    typing.say(two, true);
    typing.say(one, true);
    expect([told(one), told(two), told(other)]).toEqual([['a true'], ['a true'], ['a true']]);
    typing.say(one, false);
    expect([told(one), told(two), told(other)]).toEqual([['a true'], ['a true', 'a false'], ['a true']]);
    typing.leave(two);
    expect([told(one), told(other)]).toEqual([
      ['a true', 'a false'],
      ['a true', 'a false'],
    ]);
    expect(typing.size).toBe(1);
    typing.leave(one);
    expect(typing.size).toBe(0);
  });

  test('in sessions that nobody here is connected to leaves nothing, and what expires is told once', async () => {
    const reader = new Reader('1', 'a');
    const { typing } = typingOf([reader], 20);
    const said = { kind: 'typing', connectionId: 'far', userId: 'b', active: true } as const;
    typing.heard({ ...said, sessionId: 'elsewhere' });
    expect(typing.size).toBe(0);
    typing.heard({ ...said, sessionId: 's' });
    await until(() => typing.size === 0);
    expect(told(reader)).toEqual(['b true', 'b false']);
  });
});
