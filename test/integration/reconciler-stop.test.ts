import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import pino from 'pino';
import { Reconciler } from '../../src/activities/reconciler.ts';
import { createPostgresPlane } from '../../src/live/postgres-plane.ts';
import { createPostgresAttachments } from '../../src/store/attachment-store.ts';
import { openPool } from '../../src/store/db.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { createSession } from '../../src/store/sessions.ts';
import { createTurnClient } from '../../src/temporal/turn-client.ts';
import { createTestDatabase } from '../helpers/database.ts';

test('a reconciler in the middle of its round stops at once, also where Temporal does not answer', async () => {
  const database = await createTestDatabase();
  const logger = pino({ level: 'silent' });
  const options = { connectionString: database.url, applicationName: 'test' };
  const db = openPool({ ...options, max: 2, onError: () => undefined });
  const live = createPostgresPlane({ ...options, logger });
  // Takes connections and never says a word.
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket.resume()));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('The silent server has no port.');
  const connection = Connection.lazy({ address: `127.0.0.1:${address.port}` });
  const client = new Client({ connection });
  for (let n = 0; n < 5; n += 1) {
    const { id: sessionId } = await createSession(db, { tenant: 't', userId: 'alice' });
    await acceptMessage(db, { sessionId, userId: 'alice', clientMessageId: 'one', content: 'go' });
  }
  await db.query('update turns set next_check_at = now()');

  const turns = createTurnClient(client, { taskQueue: 'test' });
  const reconciler = new Reconciler({
    db,
    live,
    attachments: createPostgresAttachments(db),
    unusedAttachmentMs: 86_400_000,
    client,
    turns,
    retentionMs: 0,
    logger,
    debug: undefined,
  });
  const reached = once(silent, 'connection');
  reconciler.start();
  await reached;
  const asked = Date.now();
  await reconciler.stop();
  expect(Date.now() - asked).toBeLessThan(2_000);

  for (const socket of sockets) socket.destroy();
  silent.close();
  await connection.close();
  await live.close();
  await db.end();
  await database.drop();
});
