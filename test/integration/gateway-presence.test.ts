import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { gatewayTimings } from '../../src/gateway/deps.ts';
import type { ServerFrame } from '../../src/protocol/server-frames.ts';
import { readEvents } from '../../src/store/events.ts';
import { type GatewayHarness, openGatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import type { SessionClient } from '../helpers/session-client.ts';
import { until } from '../helpers/until.ts';

const life = { beatMs: 100, deadMs: 700 };
const timings = { life, leftMs: 50 };
const config = { SESSION_SUSPEND_AFTER_MS: 300 };
let east: GatewayHarness;
let west: GatewayHarness;
beforeAll(async () => {
  [east, west] = await openGatewayPair({ timings, config });
});
afterAll(() => east.close());

/** A session of alice, bob and a viewer. */
async function shared(): Promise<string> {
  const sessionId = await east.session();
  const sql = `insert into participants (session_id, user_id, role) values ($1, 'bob', 'member'), ($1, 'vera', 'viewer')`;
  await east.db.query(sql, [sessionId]);
  return sessionId;
}
const tokenOf = (sub: string) => signToken({ sub });

const lastPresence = (client: SessionClient) => client.of('presence').at(-1)?.users;
async function seesPresence(client: SessionClient, users: Record<string, number>): Promise<void> {
  const expected = Object.entries(users).map(([user_id, devices]) => ({ user_id, devices }));
  await until(() => JSON.stringify(lastPresence(client)) === JSON.stringify(expected)).catch(() => {
    expect(lastPresence(client)).toEqual(expected);
  });
}

/** All that was sent to the client before now has come. */
async function barrier(client: SessionClient): Promise<void> {
  const id = `barrier-${client.frames.length}`;
  client.send({ type: 'ping', id });
  await client.frame('pong', (frame) => frame.id === id);
}

async function stateOf(sessionId: string): Promise<string> {
  const { rows } = await east.db.query('select state from sessions where id = $1', [sessionId]);
  return rows[0]?.state;
}
async function stateEvents(sessionId: string): Promise<ServerFrame[]> {
  const events = await readEvents(east.db, { sessionId, after: 0, limit: 100 });
  return events.map(({ frame }) => frame).filter(({ type }) => type === 'session_updated');
}

describe('presence', () => {
  test('goes to everybody when it changes and to each who joins, across gateways [live-presence]', async () => {
    const sessionId = await shared();
    const alice = await east.connect(sessionId);
    await seesPresence(alice, { alice: 1 });
    expect(alice.frames.findIndex(({ type }) => type === 'presence')).toBeGreaterThan(0);
    const bob = await west.connect(sessionId, { token: await tokenOf('bob') });
    for (const client of [alice, bob]) await seesPresence(client, { alice: 1, bob: 1 });
    const desk = await west.connect(sessionId, { query: { device: 'desk' } });
    for (const client of [alice, bob, desk]) await seesPresence(client, { alice: 2, bob: 1 });
    // It takes its own place: nothing changes for the others, and it is told all the same.
    const again = await east.connect(sessionId, { query: { device: 'desk' } });
    await desk.end();
    await seesPresence(again, { alice: 2, bob: 1 });
    bob.terminate();
    for (const client of [alice, again]) await seesPresence(client, { alice: 2 });
    again.terminate();
    await seesPresence(alice, { alice: 1 });
    const told = alice.of('presence').map(({ users }) => JSON.stringify(users));
    expect(told.filter((users, index) => users === told[index - 1])).toEqual([]);
  });

  test('of a gateway that died ends, and one that was only taken for dead comes back', async () => {
    const third = await openGatewayHarness({ beside: east, timings, config });
    const sessionId = await shared();
    const alice = await east.connect(sessionId);
    const bob = await third.connect(sessionId, { token: await tokenOf('bob') });
    await seesPresence(alice, { alice: 1, bob: 1 });
    const { rows } = await east.db.query<{ gateway_id: string }>(
      `select gateway_id from connections where session_id = $1 and user_id = 'bob'`,
      [sessionId],
    );
    // As if it had not been heard of for long; its next beat, at most 100 ms away, finds that it was removed.
    const forget = `with g as (delete from gateways where id = $1) delete from connections where gateway_id = $1`;
    await east.db.query(forget, [rows[0]?.gateway_id]);
    await until(async () => {
      const found = `select 1 from connections where session_id = $1 and user_id = 'bob'`;
      return (await east.db.query(found, [sessionId])).rowCount === 1;
    });
    await barrier(bob);
    bob.terminate();
    await seesPresence(alice, { alice: 1 });
    await third.close();
  });
});

describe('typing', () => {
  test('goes to the other connections on all gateways, and ends when it is said [client-typing] [live-typing]', async () => {
    const sessionId = await shared();
    const alice = await east.connect(sessionId);
    const aliceToo = await west.connect(sessionId);
    const bob = await west.connect(sessionId, { token: await tokenOf('bob') });
    bob.send({ type: 'typing', active: true, id: 't1' });
    await bob.frame('ack', ({ id }) => id === 't1');
    for (const client of [alice, aliceToo]) {
      expect(await client.frame('typing')).toEqual({ type: 'typing', user_id: 'bob', active: true });
    }
    bob.send({ type: 'typing', active: false });
    for (const client of [alice, aliceToo]) await client.frame('typing', ({ active }) => !active);
    alice.send({ type: 'typing', active: true });
    await bob.frame('typing', (frame) => frame.user_id === 'alice' && frame.active);
    // Another connection of the same user is told, the one that types is not.
    await aliceToo.frame('typing', (frame) => frame.user_id === 'alice' && frame.active);
    const late = await east.connect(sessionId, { token: await tokenOf('vera') });
    expect(await late.frame('typing')).toEqual({ type: 'typing', user_id: 'alice', active: true });
    alice.terminate();
    for (const client of [bob, aliceToo, late]) {
      await client.frame('typing', (frame) => frame.user_id === 'alice' && !frame.active);
    }
    expect(alice.of('typing').map(({ user_id }) => user_id)).toEqual(['bob', 'bob']);
    expect(bob.of('typing').map(({ user_id }) => user_id)).toEqual(['alice', 'alice']);
  });

  test('ends by itself when it is not said again, as when the gateway of who types has died', async () => {
    const quick = { typing: { expiresMs: 300, againMs: 0, tickMs: 20 } };
    const own = await openGatewayHarness({ beside: east, timings: quick });
    const sessionId = await shared();
    const bob = await own.connect(sessionId, { token: await tokenOf('bob') });
    // What a gateway that is gone by now had said.
    const said = { kind: 'typing', sessionId, connectionId: 'gone', userId: 'alice' } as const;
    east.worker.nudgeGateways({ ...said, active: true });
    await bob.frame('typing', ({ active }) => active);
    await bob.frame('typing', ({ active }) => !active);
    await own.close();
  });

  test('is bounded: who says it all the time is passed on once a second, and a viewer may not', async () => {
    const sessionId = await shared();
    const alice = await east.connect(sessionId);
    const bob = await east.connect(sessionId, { token: await tokenOf('bob') });
    let heard = 0;
    const unsubscribe = await east.worker.subscribeGatewayNudges((nudge) => {
      if (nudge.kind === 'typing' && nudge.sessionId === sessionId) heard += 1;
    });
    for (let n = 0; n < 10; n += 1) {
      bob.send({ type: 'typing', active: true });
      bob.send({ type: 'typing', active: false });
    }
    bob.send({ type: 'typing', active: false, id: 'last' });
    await bob.frame('ack', ({ id }) => id === 'last');
    await until(() => heard >= 2);
    await barrier(alice);
    expect(heard).toBe(2);
    await unsubscribe();
    const vera = await west.connect(sessionId, { token: await tokenOf('vera') });
    vera.send({ type: 'typing', active: true, id: 'v' });
    expect(await vera.frame('error')).toMatchObject({ code: 'forbidden', id: 'v' });
  });
});

describe('the state of a session', () => {
  test('is suspended some time after the last one left, and active when somebody comes [event-session_updated]', async () => {
    const sessionId = await shared();
    const alice = await east.connect(sessionId);
    const bob = await west.connect(sessionId, { token: await tokenOf('bob') });
    alice.terminate();
    await seesPresence(bob, { bob: 1 });
    bob.terminate();
    await until(async () => (await stateOf(sessionId)) === 'suspended');
    const back = await west.connect(sessionId);
    const resumed = await back.frame('session_updated', ({ state }) => state === 'active');
    expect(await stateOf(sessionId)).toBe('active');
    expect(await stateEvents(sessionId)).toMatchObject([
      { state: 'suspended' },
      { state: 'active', seq: resumed.seq },
    ]);
    expect(back.breaches).toEqual([]);
  });

  test('does not change while somebody reconnects, and not for a session that is closed', async () => {
    const [sessionId, closed] = [await shared(), await shared()];
    await east.db.query(`update sessions set state = 'closed' where id = $1`, [closed]);
    (await east.connect(closed)).terminate();
    for (let n = 0; n < 3; n += 1) {
      const client = await (n % 2 ? east : west).connect(sessionId);
      client.terminate();
    }
    const client = await east.connect(sessionId);
    const noted = `select 1 from vacancies where session_id = any($1)`;
    await until(async () => (await east.db.query(noted, [[sessionId, closed]])).rowCount === 0);
    expect([await stateOf(sessionId), await stateOf(closed)]).toEqual(['active', 'closed']);
    expect(await stateEvents(sessionId)).toEqual([]);
    client.terminate();
  });

  test('follows who comes and goes all the time, on two gateways', async () => {
    const eager = await openGatewayHarness({
      beside: east,
      timings: { ...timings, leftMs: 5 },
      config: { SESSION_SUSPEND_AFTER_MS: 1 },
    });
    const sessionId = await east.session();
    for (let n = 0; n < 25; n += 1) {
      const client = await (n % 3 === 0 ? west : eager).connect(sessionId);
      await until(async () => (await stateOf(sessionId)) === 'active');
      client.terminate();
      if (n % 2 === 0) await until(async () => (await stateOf(sessionId)) === 'suspended');
    }
    const last = await eager.connect(sessionId);
    await until(async () => (await stateOf(sessionId)) === 'active');
    await barrier(last);
    const states = (await stateEvents(sessionId)).map((event) => 'state' in event && event.state);
    expect(states.filter((state, index) => state === states[index - 1])).toEqual([]);
    await eager.close();
  });
});

test('a gateway that dies leaves its sessions, and somebody else suspends them', async () => {
  const sessionId = await east.session();
  const gatewayId = 'one-that-is-gone';
  await east.db.query(`insert into gateways values ($1, now() - interval '1 minute')`, [gatewayId]);
  await east.db.query(
    `insert into connections (connection_id, session_id, tenant, user_id, device, epoch, gateway_id)
     values ('c-gone', $1, 't', 'alice', 'd', 0, $2)`,
    [sessionId, gatewayId],
  );
  await until(async () => (await stateOf(sessionId)) === 'suspended');
  const left = `select 1 from connections where gateway_id = $1 union all select 1 from gateways where id = $1`;
  expect((await east.db.query(left, [gatewayId])).rowCount).toBe(0);
  expect(gatewayTimings.life.deadMs).toBeGreaterThanOrEqual(3 * gatewayTimings.life.beatMs);
});
