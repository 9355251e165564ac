import { connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { onlySteps } from '../../src/protocol/turn-limits.ts';
import { type Db, openPool, type Tx, transaction } from '../../src/store/db.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { createSession } from '../../src/store/sessions.ts';
import { openStep } from '../../src/store/steps.ts';
import { createTestDatabase } from '../helpers/database.ts';

let db: Db;
let database: { url: string; drop(): Promise<void> };
beforeAll(async () => {
  database = await createTestDatabase();
  db = openPool({
    connectionString: database.url,
    max: 2,
    applicationName: 'test',
    onError: () => undefined,
  });
});
afterAll(async () => {
  await db.end();
  await database.drop();
});

/** Kills the backend of a transaction between two of its queries, and waits until the client knows. */
async function killBetween(tx: Tx): Promise<void> {
  const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid');
  const gone = new Promise((resolve) => tx.once('end', resolve));
  await db.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
  await gone;
}

test('a connection that dies inside a transaction fails that transaction, and not the process', async () => {
  const failed = transaction(db, async (tx) => {
    await killBetween(tx);
    await tx.query('select 1');
  });
  await expect(failed).rejects.toThrow(/not queryable|terminat/);
  expect((await db.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

/** A way to Postgres that can go silent: connections stay open, nothing comes through. */
async function openWire(target: URL) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => near.destroy());
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The wire has no port.');
  const url = new URL(target);
  url.port = String(address.port);
  return {
    url: url.href,
    silence() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a store that goes silent without closing its connections fails what waits for it', async () => {
  const wire = await openWire(new URL(database.url));
  const pool = openPool({
    connectionString: wire.url,
    max: 2,
    applicationName: 'test-silence',
    onError: () => undefined,
    silenceMs: 500,
  });
  const stuck = transaction(pool, async (tx) => {
    await tx.query('select 1');
    wire.silence();
    await tx.query('select 2');
  });
  await expect(stuck).rejects.toThrow(/timeout/);
  // The connection is not used again: a new one works.
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await pool.end();
  await wire.close();
});

test('an opening whose commit fails before anybody awaits it is no unhandled rejection', async () => {
  await db.query(
    `create function refuse() returns trigger language plpgsql as $$ begin raise 'refused at commit'; end $$`,
  );
  await db.query(`create constraint trigger refuse_at_commit after insert on steps deferrable initially deferred
                  for each row execute function refuse()`);
  const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
  await acceptMessage(db, { sessionId, userId: 'alice', clientMessageId: 'one', content: 'go' });
  const unheard: unknown[] = [];
  const note = (error: unknown) => void unheard.push(error);
  process.on('unhandledRejection', note);
  const { committed } = await openStep(db, {
    sessionId,
    runId: 'run',
    workflowId: 'workflow',
    step: 1,
    historyMessages: 50,
    limits: onlySteps(25),
    questionMs: 60_000,
  });
  // Another round trip: by then the commit has failed, and nobody has asked for it.
  await db.query('select 1');
  await new Promise((resolve) => setImmediate(resolve));
  expect(unheard).toEqual([]);
  await expect(committed).rejects.toThrow('refused at commit');
  process.off('unhandledRejection', note);
});
