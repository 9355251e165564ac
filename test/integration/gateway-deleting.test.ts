import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFeed } from '../../src/store/feeds.ts';
import { purgeSessions } from '../../src/store/purge.ts';
import { endSoon } from '../helpers/credentials.ts';
import { type GatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { StreamingStep } from '../helpers/streaming.ts';

let east: GatewayHarness;
let west: GatewayHarness;
beforeAll(async () => {
  [east, west] = await openGatewayPair();
});
afterAll(() => east.close());

const tokenOf = (sub: string) => signToken({ sub });
const idOf = (answer: { body: Record<string, unknown> }) => String(answer.body.id);

describe('deleting a session', () => {
  test('makes it look like none to everybody at once; its turns end; its rows go later [http-delete]', async () => {
    const { db } = east;
    const sessionId = await east.session();
    const path = `/v1/sessions/${sessionId}`;
    await east.join(sessionId, 'bob', 'viewer');
    const bob = await tokenOf('bob');
    const step = new StreamingStep(db, east.worker, sessionId);
    await step.ask('first');
    await step.open();
    await east.ask('POST', `${path}/messages`, { body: { content: 'second' } });
    const clients = [await east.connect(sessionId), await west.connect(sessionId, { token: bob })];
    expect((await east.ask('DELETE', path)).status).toBe(204);
    for (const client of clients) expect(await endSoon(client)).toBe(4004);
    const feed = await readFeed(db, { tenant: 't', userId: 'bob', after: 0, limit: 1_000 });
    expect(feed.findLast(({ session_id }) => session_id === sessionId)).toMatchObject({ removed: true });

    for (const token of [await signToken(), bob]) {
      expect((await (await west.dial(sessionId, { token })).end()).code).toBe(4004);
      for (const rest of ['', '/messages', '/events']) {
        expect((await west.ask('GET', `${path}${rest}`, { token })).status).toBe(404);
      }
      const { body } = await west.ask('GET', '/v1/sessions', { token });
      expect((body.sessions as { id: string }[]).filter(({ id }) => id === sessionId)).toEqual([]);
      const posted = await west.ask('POST', `${path}/messages`, { token, body: { content: 'x' } });
      expect(posted.status).toBe(404);
      expect((await west.ask('DELETE', path, { token })).status).toBe(404);
    }

    const turns = () =>
      db.query(
        `select status, cancel_requested_at is not null as marked from turns where session_id = $1 order by position`,
        [sessionId],
      );
    expect((await turns()).rows).toEqual([
      { status: 'running', marked: true },
      { status: 'cancelled', marked: true },
    ]);
    expect(await purgeSessions(db, 100)).not.toContain(sessionId);
    await db.query(`update turns set status = 'cancelled' where session_id = $1`, [sessionId]);
    expect(await purgeSessions(db, 100)).toContain(sessionId);
    for (const table of ['messages', 'turns', 'events', 'tool_calls', 'participants', 'drafts']) {
      const { rows } = await db.query(`select count(*) as n from ${table} where session_id = $1`, [
        sessionId,
      ]);
      expect([table, rows[0]?.n]).toEqual([table, 0]);
    }
    expect(await purgeSessions(db, 100)).not.toContain(sessionId);
  });

  test('also the default one, and then there is a new one; a large one is purged in several rounds', async () => {
    const token = await tokenOf(randomUUID());
    const first = await east.ask('GET', '/v1/sessions/default', { token });
    expect((await east.ask('DELETE', '/v1/sessions/default', { token })).status).toBe(204);
    const second = await east.ask('GET', '/v1/sessions/default', { token });
    expect(second.status).toBe(200);
    expect(idOf(second)).not.toBe(idOf(first));
    await east.db.query(
      `insert into events (session_id, seq, event_key, type, body)
       select $1, n, 'k' || n, 'session_updated', '{}' from generate_series(1000, 6500) n`,
      [idOf(first)],
    );
    expect(await purgeSessions(east.db, 100)).not.toContain(idOf(first));
    expect(await purgeSessions(east.db, 100)).toContain(idOf(first));
  });
});
