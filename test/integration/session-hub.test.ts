import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type HubMember, hubTimings } from '../../src/gateway/hub-ports.ts';
import type { Outgoing } from '../../src/gateway/outgoing.ts';
import { SessionHub } from '../../src/gateway/session-hub.ts';
import type { SessionMessage } from '../../src/live/port.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import type { Db } from '../../src/store/db.ts';
import { readDraft } from '../../src/store/drafts.ts';
import { lastSeqs, readEvents } from '../../src/store/events.ts';
import { readLiveState } from '../../src/store/live-state.ts';
import { createSession } from '../../src/store/sessions.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { FrameView } from '../helpers/frame-view.ts';
import { seededRandom } from '../helpers/random.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

let store: TestStore;
let db: Db;
const logger = pino({ level: 'silent' });

beforeAll(async () => {
  store = await openTestStore('test-hub');
  db = store.db;
});
afterAll(async () => {
  await store.close();
});

function hubOf(sessionId: string, draftOf = (messageId: string) => readDraft(db, messageId)): SessionHub {
  const store = {
    readLiveState: (id: string) => readLiveState(db, id),
    readEvents: (range: { sessionId: string; after: number; limit: number }) => readEvents(db, range),
    readDraft: draftOf,
  };
  const timings = { ...hubTimings, healMs: 200, healEveryMs: 5, probeFirstMs: 20, probeLastMs: 40 };
  return new SessionHub({ sessionId, store, logger, timings });
}

/** A member that checks every frame against the protocol. */
class Watcher implements HubMember {
  readonly view: FrameView;
  constructor(lastSeq: number) {
    this.view = new FrameView(lastSeq);
  }
  deliver(frames: Outgoing[]): void {
    for (const { json } of frames) this.view.take(JSON.parse(json) as ServerFrame);
  }
  passed(): void {
    this.view.breaches.push('passed');
  }
}

/** What a plane may do to messages: lose, double, delay; it keeps the order of what it does deliver. */
function unreliably(random: () => number, hub: SessionHub): (message: SessionMessage) => void {
  return (message) => {
    const fate = random();
    if (fate < 0.2) return;
    hub.receive(structuredClone(message));
    if (fate > 0.9) hub.receive(structuredClone(message));
  };
}

const seeds = Array.from({ length: 30 }, (_, index) => index + 1);

describe('a session hub under generated schedules', () => {
  test.each(seeds)('seed %i: every member ends with the exact text and every event once', async (seed) => {
    const random = seededRandom(seed);
    const chance = (probability: number) => random() < probability;
    const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
    const hub = hubOf(sessionId);
    const step = new StreamingStep(db, { publish: unreliably(random, hub) }, sessionId);
    await step.ask('go');
    const watchers: Watcher[] = [];
    let isLoaded = false;
    const load = async () => {
      if (isLoaded) return;
      isLoaded = true;
      expect(await hub.load()).toBe(true);
    };
    const join = async () => {
      await load();
      const watcher = new Watcher(hub.lastSeq);
      watchers.push(watcher);
      hub.attach(watcher);
    };
    if (chance(0.5)) await join();
    await step.open();
    for (let n = 0; n < 40; n += 1) {
      const action = random();
      if (action < 0.6) step.say(`w${n}😀`, chance(0.2) ? { channel: 'thought' } : {});
      else if (action < 0.75) await step.draft();
      else if (action < 0.8) await step.open();
      else if (action < 0.85) await join();
      else if (action < 0.95) await new Promise((resolve) => setImmediate(resolve));
      else hub.announce((await lastSeqs(db, [sessionId])).get(sessionId) ?? 0);
    }
    await load();
    await join();
    // What is open is healed while it is open: by the draft alone, if need be.
    await step.draft();
    hub.announce((await lastSeqs(db, [sessionId])).get(sessionId) ?? 0);
    await until(() => {
      hub.tick(Date.now());
      const isWhole = (view: FrameView) =>
        view.textOf(step.messageId) === step.text && view.thoughtOf(step.messageId) === step.thought;
      return watchers.every(({ view }) => isWhole(view));
    });
    await step.close();
    const last = (await lastSeqs(db, [sessionId])).get(sessionId) ?? 0;
    await hub.reach(last);
    for (const { view } of watchers) {
      expect(view.lastSeq).toBe(last);
      expect(view.textOf(step.messageId)).toBe(step.text);
      expect(view.breaches).toEqual([]);
    }
    hub.close();
  });
});

describe('a session hub', () => {
  test('knows nothing of a session that is not there', async () => {
    expect(await hubOf('0193b0aa-0000-7000-8000-000000000000').load()).toBe(false);
  });

  test('does not keep what arrives without bound', async () => {
    const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
    const hub = hubOf(sessionId);
    const step = new StreamingStep(db, { publish: (message) => hub.receive(message) }, sessionId);
    await step.ask('go');
    await step.open();
    for (let n = 0; n < 30_000; n += 1) step.say('x');
    await step.draft();
    await hub.load();
    const watcher = new Watcher(hub.lastSeq);
    hub.attach(watcher);
    step.say('y');
    await until(() => {
      hub.tick(Date.now());
      return watcher.view.textOf(step.messageId).length >= 30_000;
    });
    expect(watcher.view.breaches).toEqual([]);
    hub.close();
  });

  test.each([0, 1, 2, 3, 4, 5, 6])(
    'shows the snapshot before a delta that comes %i rounds after the draft',
    async (rounds) => {
      const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
      const hub: SessionHub = hubOf(sessionId, async (messageId) => {
        const draft = await readDraft(db, messageId);
        let left = rounds;
        const sayLater = () => {
          if (left === 0) step.say('.');
          else queueMicrotask(sayLater);
          left -= 1;
        };
        sayLater();
        return draft;
      });
      const step = new StreamingStep(db, { publish: (message) => hub.receive(message) }, sessionId);
      await step.ask('go');
      await step.open();
      await hub.load();
      const watcher = new Watcher(hub.lastSeq);
      hub.attach(watcher);
      step.say('lost ', { lost: true });
      step.say('heard ');
      await step.draft();
      await until(() => watcher.view.textOf(step.messageId) === step.text);
      expect(watcher.view.textOf(step.messageId)).toMatch(/^lost heard \.+$/);
      expect(watcher.view.breaches).toEqual([]);
      hub.close();
    },
  );

  test('reach says whether the store could be read', async () => {
    const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
    const hub = hubOf(sessionId);
    await hub.load();
    expect(await hub.reach(5)).toBe(true);
    expect(hub.lastSeq).toBe(0);
    hub.close();
    expect(await hub.reach(5)).toBe(false);
  });
});
