import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Connection } from '../../src/gateway/connection.ts';
import { type FrameFilter, filterOf } from '../../src/gateway/frame-filter.ts';
import { hubTimings } from '../../src/gateway/hub-ports.ts';
import { SessionHub } from '../../src/gateway/session-hub.ts';
import type { SessionMessage } from '../../src/live/port.ts';
import { publishEvents } from '../../src/live/publish-events.ts';
import { type Db, lockSession, transaction } from '../../src/store/db.ts';
import { readDraft } from '../../src/store/drafts.ts';
import { appendEvents, type EventRange, lastSeqs, maySee, readEvents } from '../../src/store/events.ts';
import { readLiveState } from '../../src/store/live-state.ts';
import { removeOldEvents } from '../../src/store/retention.ts';
import { createSession } from '../../src/store/sessions.ts';
import { openTestStore, type TestStore } from '../helpers/database.ts';
import { seededRandom } from '../helpers/random.ts';
import { ReaderOutlet } from '../helpers/reader-outlet.ts';
import { StreamingStep } from '../helpers/streaming.ts';
import { until } from '../helpers/until.ts';

const logger = pino({ level: 'silent' });
let store: TestStore;
let db: Db;

beforeAll(async () => {
  store = await openTestStore('test-schedules', { max: 8 });
  db = store.db;
});
afterAll(async () => {
  await store.close();
});

interface Reader {
  outlet: ReaderOutlet;
  connection: Connection;
  userId: string;
  filter: FrameFilter | null;
}

/** One session with everything that may happen to it and to who reads it. */
class Schedule {
  readonly readers: Reader[] = [];
  readonly hub: SessionHub;
  step: StreamingStep;
  readonly #sessionId: string;
  readonly #random: () => number;
  readonly #receive: (message: SessionMessage) => void;
  #words = 0;

  constructor(sessionId: string, random: () => number) {
    this.#sessionId = sessionId;
    this.#random = random;
    const store = {
      readLiveState: (id: string) => readLiveState(db, id),
      readEvents: (range: EventRange) => readEvents(db, range),
      readDraft: (id: string) => readDraft(db, id),
    };
    const timings = { ...hubTimings, healMs: 200, healEveryMs: 5, probeFirstMs: 20, probeLastMs: 40 };
    this.hub = new SessionHub({ sessionId, store, logger, timings });
    // A plane that loses and doubles; it keeps the order of what it does deliver.
    this.#receive = (message) => {
      const fate = random();
      if (fate < 0.2) return;
      this.hub.receive(structuredClone(message));
      if (fate > 0.9) this.hub.receive(structuredClone(message));
    };
    this.step = this.#newStep();
  }

  async ask(): Promise<void> {
    this.step = this.#newStep();
    await this.step.ask('go');
    await this.step.open();
  }

  async tell(): Promise<void> {
    this.#words += 1;
    const pick = this.#random();
    const audience = pick < 0.3 ? ['alice'] : pick < 0.6 ? ['bob'] : undefined;
    const word = `w${this.#words}`;
    const written = await transaction(db, async (tx) => {
      await lockSession(tx, this.#sessionId);
      const body = { event_id: word, event_type: 'test', event_data: word };
      return appendEvents(tx, this.#sessionId, [
        { key: word, type: 'external_event', ...(audience === undefined ? {} : { audience }), body },
      ]);
    });
    publishEvents({ publish: this.#receive }, this.#sessionId, written);
  }

  /** The retention time of all that has been said so far is over. */
  async forget(): Promise<void> {
    const id = [this.#sessionId];
    await db.query(`update events set ts = ts - interval '90 days' where session_id = $1`, id);
    await db.query(`update turns set ended_at = ended_at - interval '90 days' where session_id = $1`, id);
    await db.query('update sessions set retention_at = now() where id = $1', id);
    while (await removeOldEvents(db, 30 * 24 * 3_600_000));
  }

  async join(): Promise<void> {
    const lastSeq = Math.floor(this.#random() * (this.hub.lastSeq + 1));
    const userId = this.#random() < 0.5 ? 'alice' : 'bob';
    const types = 'stream_start,stream_reset,stream_end,stream_delta,thought_delta,stream_snapshot,turn_end';
    const filter = this.#random() < 0.4 ? filterOf(types) : null;
    const outlet = new ReaderOutlet(lastSeq);
    const connection = new Connection({
      id: `c${this.readers.length}`,
      identity: {
        userId,
        tenant: 't',
        email: null,
        name: null,
        roles: [],
        tokenId: 'test',
        issuedAt: null,
        expiresAt: null,
      },
      sessionId: this.#sessionId,
      lastSeq,
      filter,
      outlet,
      readEvents: (range) => readEvents(db, range),
      logger,
    });
    this.readers.push({ outlet, connection, userId, filter });
    connection.join(this.hub);
  }

  resume(): void {
    const reader = this.readers[Math.floor(this.#random() * this.readers.length)];
    if (!reader) return;
    const lastSeq = Math.floor(this.#random() * (this.hub.lastSeq + 1));
    reader.outlet.beginAt(lastSeq);
    reader.connection.resume(lastSeq);
  }

  async poll(): Promise<number> {
    const last = (await lastSeqs(db, [this.#sessionId])).get(this.#sessionId) ?? 0;
    this.hub.announce(last);
    return last;
  }

  /** Until every reader has come to the end, reading all the while. */
  async settle(isThere: (reader: Reader, last: number) => boolean): Promise<void> {
    await until(async () => {
      const last = await this.poll();
      this.hub.tick(Date.now());
      for (const { outlet } of this.readers) outlet.read();
      return this.readers.every((reader) => isThere(reader, last));
    });
  }

  #newStep(): StreamingStep {
    return new StreamingStep(db, { publish: this.#receive }, this.#sessionId);
  }
}

const seeds = Array.from({ length: 40 }, (_, index) => index + 1);

describe('connections under generated schedules', () => {
  test.each(seeds)(
    'seed %i: each has the exact text, and all that it may see and wants, once',
    async (seed) => {
      const random = seededRandom(seed);
      const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
      const schedule = new Schedule(sessionId, random);
      expect(await schedule.hub.load()).toBe(true);
      await schedule.ask();
      let attempts = 1;
      for (let n = 0; n < 80; n += 1) {
        const { step, readers } = schedule;
        const action = random();
        if (action < 0.4) step.say(`w${n}😀`, random() < 0.2 ? { channel: 'thought' } : {});
        else if (action < 0.5) await schedule.tell();
        else if (action < 0.58) await step.draft();
        else if (action < 0.61 && attempts < 10) {
          attempts += 1;
          await step.open();
        } else if (action < 0.66) {
          await step.close();
          await schedule.ask();
          attempts = 1;
        } else if (action < 0.72) await schedule.join();
        else if (action < 0.77) schedule.resume();
        else if (action < 0.79) await schedule.forget();
        else if (action < 0.87) for (const { outlet } of readers) outlet.read();
        else if (action < 0.95) await new Promise((resolve) => setImmediate(resolve));
        else await schedule.poll();
      }
      await schedule.join();
      const { step, readers } = schedule;
      await step.draft();
      await schedule.settle(
        ({ outlet: { view } }) =>
          view.textOf(step.messageId) === step.text && view.thoughtOf(step.messageId) === step.thought,
      );
      await step.close();
      await schedule.settle(({ outlet: { view } }, last) => view.lastSeq === last);
      const kept = await readEvents(db, { sessionId, after: 0, limit: 10_000 });
      for (const { outlet, userId, filter } of readers) {
        expect(outlet.view.breaches).toEqual([]);
        expect(outlet.view.textOf(step.messageId)).toBe(step.text);
        const due = kept.filter(
          ({ frame, audience }) =>
            frame.seq > outlet.base && maySee(audience, userId) && (filter === null || filter(frame)),
        );
        const had = [...outlet.seen].filter((seq) => kept.some(({ frame }) => frame.seq === seq));
        expect(had).toEqual(due.map(({ frame }) => frame.seq));
      }
      for (const { outlet } of readers) outlet.end();
      schedule.hub.close();
    },
  );
});

test('a hub that missed what is no longer kept goes on from where the session is, and its readers are told', async () => {
  const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
  // A plane that loses everything.
  const schedule = new Schedule(sessionId, () => 0);
  await schedule.hub.load();
  await schedule.join();
  const [reader] = schedule.readers;
  await schedule.tell();
  await schedule.settle(({ outlet }, last) => outlet.view.lastSeq === last);
  for (let n = 0; n < 3; n += 1) await schedule.tell();
  await schedule.forget();
  await schedule.settle(({ outlet }) => outlet.base === 4);
  await schedule.ask();
  schedule.step.say('lost too');
  await schedule.step.draft();
  await schedule.settle(({ outlet }) => outlet.view.textOf(schedule.step.messageId) === 'lost too');
  expect(reader?.outlet.view.breaches).toEqual([]);
  // The stream's start: it asked for nothing else of these.
  expect([...(reader?.outlet.seen ?? [])]).toEqual([7]);
  for (const { outlet } of schedule.readers) outlet.end();
  schedule.hub.close();
});
