import { randomUUID } from 'node:crypto';
import { onlySteps } from '../src/protocol/turn-limits.ts';
import { type Db, openPool } from '../src/store/db.ts';
import { writeDrafts } from '../src/store/drafts.ts';
import { acceptMessage } from '../src/store/messages.ts';
import { openStep } from '../src/store/steps.ts';
import { numberedSessionId, userOf, writeNumberedSessions } from './numbered-sessions.ts';
import type { System } from './system.ts';

const writingAtOnce = 8;

/** A stream under way, as a worker leaves it in the store. */
export interface OpenStream {
  sessionId: string;
  messageId: string;
  attempt: number;
  /** Of the stream's start. */
  lastSeq: number;
}

/**
 * Opens streams in as many sessions of the bench's user, and holds the worker still while they are used: it does not
 * know them, and would end them.
 * @param from number of the first session; each part takes others, because a session has one turn at a time
 * @param text what each stream has said so far
 */
export async function withOpenStreams<T>(
  system: System,
  { from, count, text }: { from: number; count: number; text: string },
  use: (streams: OpenStream[]) => Promise<T>,
): Promise<T> {
  const { dev } = system;
  const { worker } = dev.processes;
  if (worker === undefined) throw new Error('turngate dev tells of no worker.');
  const user = userOf(dev.token);
  await writeNumberedSessions(dev.database_url, user, { from, count });
  const db = openPool({
    connectionString: dev.database_url,
    max: writingAtOnce,
    applicationName: 'bench-streams',
    onError: (error) => console.error(error.message),
  });
  process.kill(worker, 'SIGSTOP');
  try {
    const streams: OpenStream[] = [];
    let next = from;
    const write = async () => {
      while (next < from + count)
        streams.push(await openStream(db, user.id, numberedSessionId(next++), text));
    };
    await Promise.all(Array.from({ length: writingAtOnce }, write));
    return await use(streams);
  } finally {
    // The worker ends what is open of them: no run knows of it.
    process.kill(worker, 'SIGCONT');
    await db.end();
  }
}

async function openStream(db: Db, userId: string, sessionId: string, text: string): Promise<OpenStream> {
  await acceptMessage(db, { sessionId, userId, clientMessageId: randomUUID(), content: 'Say a lot.' });
  const bounds = { historyMessages: 50, limits: onlySteps(25), questionMs: 60_000 };
  const run = { sessionId, runId: randomUUID(), workflowId: `session:${sessionId}`, step: 1, ...bounds };
  const { opening, committed } = await openStep(db, run);
  const events = await committed;
  if (opening.kind !== 'open') throw new Error(`A stream of the bench could not be opened: ${opening.kind}.`);
  const { messageId, attempt } = opening;
  await writeDrafts(db, [{ messageId, sessionId, attempt, content: text, thought: '' }]);
  return { sessionId, messageId, attempt, lastSeq: events.at(-1)?.frame.seq ?? 0 };
}
