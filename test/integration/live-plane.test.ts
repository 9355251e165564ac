import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import { channels } from '../../src/live/outbox.ts';
import type { LivePlane, SessionMessage, TurnNudge } from '../../src/live/port.ts';
import { createPostgresPlane } from '../../src/live/postgres-plane.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';

let database: TestDatabase;
const planes: LivePlane[] = [];
const logger = pino({ level: 'silent' });

beforeAll(async () => {
  database = await createTestDatabase();
});
afterEach(async () => {
  await Promise.all(planes.splice(0).map((plane) => plane.close()));
});
afterAll(() => database.drop());

function plane(applicationName: string): LivePlane {
  const made = createPostgresPlane({ connectionString: database.url, applicationName, logger });
  planes.push(made);
  return made;
}

async function sql<T extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return (await client.query<T>(text, values)).rows;
  } finally {
    await client.end();
  }
}

async function listening(applicationName: string) {
  const heard: SessionMessage[] = [];
  const made = plane(applicationName);
  const unsubscribe = await made.subscribe((message) => heard.push(message));
  return { plane: made, heard, unsubscribe };
}

const delta = (sessionId: string, offset: number, text: string): SessionMessage => ({
  kind: 'delta',
  sessionId,
  messageId: `m-${sessionId}`,
  attempt: 1,
  channel: 'text',
  offset,
  delta: text,
});

function textOf(heard: SessionMessage[], sessionId: string): string {
  let text = '';
  for (const message of heard) {
    if (message.kind !== 'delta' || message.sessionId !== sessionId) continue;
    expect(message.offset).toBe(text.length);
    text += message.delta;
  }
  return text;
}

describe('the live plane over Postgres', () => {
  test('carries messages between processes and to its own, in order, whatever their size', async () => {
    const a = await listening('plane-a');
    const b = await listening('plane-b');
    const expected = new Map<string, string>();
    for (let n = 0; n < 2_000; n += 1) {
      const sessionId = `s${n % 20}`;
      const before = expected.get(sessionId) ?? '';
      const piece = n % 97 === 0 ? '😀€x'.repeat(3_000) : `${n} `;
      a.plane.publish(delta(sessionId, before.length, piece));
      expected.set(sessionId, before + piece);
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (const { heard } of [a, b]) {
      for (const [sessionId, text] of expected) {
        await until(() => textOf(heard, sessionId).length === text.length);
        expect(textOf(heard, sessionId)).toBe(text);
      }
    }
  });

  test('nudges go to who listens for nudges, and to nobody else', async () => {
    const gateway = await listening('plane-gateway');
    const worker = plane('plane-worker');
    const nudges: TurnNudge[] = [];
    await worker.subscribeNudges((nudge) => nudges.push(nudge));
    gateway.plane.nudge({ kind: 'cancel', turnId: 't1' });
    gateway.plane.nudge({ kind: 'cancel', turnId: 't1' });
    await until(() => nudges.length === 2);
    expect(gateway.heard).toEqual([]);
  });

  test('opens no listening connection before somebody subscribes, and only speaks on its own two', async () => {
    const quiet = plane('plane-quiet');
    quiet.publish(delta('s', 0, 'x'));
    const own = `select 1 from pg_stat_activity where application_name = 'plane-quiet'`;
    await until(async () => (await sql(own)).length === 1);
    await quiet.subscribe(() => undefined);
    expect((await sql(own)).length).toBe(2);
  });

  test('a handler that throws stops nothing', async () => {
    const a = plane('plane-throws');
    const heard: string[] = [];
    await a.subscribe(() => {
      throw new Error('on purpose');
    });
    await a.subscribe((message) => heard.push(message.kind));
    a.publish(delta('s', 0, 'x'));
    a.publish(delta('t', 0, 'x'));
    await until(() => heard.length === 2);
  });

  test('a payload that is not ours stops nothing', async () => {
    const a = await listening('plane-garbage');
    await sql('select pg_notify($1, $2), pg_notify($1, $3)', [channels.session, 'not json', '[1,2,[0]]']);
    a.plane.publish(delta('s', 0, 'after'));
    await until(
      () =>
        textOf(
          a.heard.filter((m) => m.kind === 'delta' && m.delta !== undefined),
          's',
        ) === 'after',
    );
  });

  test('comes back after its connections were killed, says so, and sends what waited', async () => {
    const a = await listening('plane-killed');
    // The publisher's connection comes up on its own; this went through it.
    a.plane.publish(delta('first', 0, 'up'));
    await until(() => a.heard.length === 1);
    let restored = 0;
    a.plane.onRestored(() => {
      restored += 1;
    });
    const killed = await sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'plane-killed'`,
    );
    expect(killed.length).toBe(2);
    const b = plane('plane-other');
    b.publish(delta('lost', 0, 'perhaps'));
    a.plane.publish(delta('kept', 0, 'sent when it is back'));
    await until(() => restored === 1);
    a.plane.publish(delta('kept', 20, '!'));
    await until(() => a.heard.some((message) => message.kind === 'delta' && message.delta.endsWith('!')));
  });

  test('close sends what waits, within a bound', async () => {
    const listener = await listening('plane-listener');
    const sender = createPostgresPlane({
      connectionString: database.url,
      applicationName: 'plane-sender',
      logger,
    });
    sender.publish(delta('first', 0, 'up'));
    await until(() => listener.heard.length === 1);
    for (let n = 0; n < 300; n += 1) sender.publish(delta(`s${n}`, 0, 'x'.repeat(500)));
    await sender.close();
    await until(() => listener.heard.length === 301);
    sender.publish(delta('late', 0, 'x'));
    const startedAt = performance.now();
    const nowhere = createPostgresPlane({
      connectionString: 'postgres://nobody@127.0.0.1:1/none',
      applicationName: 'plane-nowhere',
      logger,
    });
    nowhere.publish(delta('s', 0, 'x'));
    await nowhere.close();
    expect(performance.now() - startedAt).toBeLessThan(2_500);
  });
});
