import pg from 'pg';
import { settleFeedNews } from './feed-news.ts';

export type Db = pg.Pool;
/** One connection inside a transaction. */
export type Tx = pg.PoolClient;

const INT8 = 20;
const TIMESTAMPTZ = 1184;
const STATEMENT_TIMEOUT_MS = 30_000;
/** A server that says nothing for this long is gone without a word (cut network, frozen machine). */
const SILENCE_TIMEOUT_MS = 35_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** bigint as number (all of ours stay below 2^53), timestamptz as milliseconds since 1970. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8) return Number;
    const parse = pg.types.getTypeParser(oid, format as 'text');
    if (oid === TIMESTAMPTZ) return (value: string) => (parse(value) as unknown as Date).getTime();
    return parse;
  }) as pg.CustomTypesConfig['getTypeParser'],
};

/**
 * A pool of connections. Queries that are issued without waiting for each other go out together
 * (pipelined) and run in order, so a transaction costs few round trips.
 * @param options.onError called for errors of idle connections; the pool replaces them by itself
 * @param options.silenceMs how long a query may go without an answer before its connection is given up
 */
export function openPool(options: {
  connectionString: string;
  max: number;
  applicationName: string;
  onError(error: Error): void;
  silenceMs?: number;
}): Db {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: options.silenceMs ?? SILENCE_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    pipeline: true,
    types,
  } as pg.PoolConfig);
  pool.on('error', options.onError);
  // The pool listens to connections only while they are idle. One that dies inside a transaction, with no query
  // under way, would otherwise end the process: an error event that nobody hears is thrown.
  pool.on('connect', (client) => client.on('error', noteLost));
  return pool;
}

/** Nothing to do: whoever uses the connection gets the same error. */
const noteLost = () => undefined;

/** Work done in a transaction whose commit is still under way. */
export interface Committing<T> {
  value: T;
  /** Settles when the commit is durable; rejects when it is not, or when nobody can know. */
  committed: Promise<void>;
}

/** Runs `work` in a transaction and answers before the commit has returned. */
export async function transactionAhead<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<Committing<T>> {
  const tx = await db.connect();
  const begun = tx.query('begin');
  const worked = work(tx);
  const settled = await Promise.allSettled([begun, worked]);
  const failure = settled.find((outcome) => outcome.status === 'rejected');
  if (failure) {
    settleFeedNews(db, tx, false);
    await abandon(tx);
    throw failure.reason;
  }
  const committed = commit(db, tx);
  // Whoever needs to know awaits it, perhaps only later or, after a fault of its own, never: until then it is heard
  // here, because a rejection that nobody hears ends the process.
  committed.catch(noteLost);
  return { value: await worked, committed };
}

/** Runs `work` in a transaction (read committed) and answers what it answered, once that is durable. */
export async function transaction<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  const { value, committed } = await transactionAhead(db, work);
  await committed;
  return value;
}

async function commit(db: Db, tx: Tx): Promise<void> {
  try {
    await tx.query('commit');
  } catch (error) {
    settleFeedNews(db, tx, false);
    tx.release(true);
    throw error;
  }
  settleFeedNews(db, tx, true);
  tx.release();
}

/** A connection that cannot even roll back is thrown away; the server rolls back with it. */
async function abandon(tx: Tx): Promise<void> {
  const broken = await tx.query('rollback').then(
    () => false,
    () => true,
  );
  tx.release(broken);
}

/**
 * Takes the session's row lock, which puts every change of a session in one order. Statements after it
 * see all that earlier holders committed.
 * @returns false when there is no such session
 */
export async function lockSession(tx: Tx, sessionId: string): Promise<boolean> {
  const { rowCount } = await tx.query({
    name: 'lock-session',
    text: 'select 1 from sessions where id = $1 for no key update',
    values: [sessionId],
  });
  return rowCount === 1;
}
