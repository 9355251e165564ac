import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Child, startChild, stopChild, untilReady } from '../../src/cli/dev/child.ts';
import { freePort, loopback } from '../../src/cli/dev/ports.ts';
import { ensureCluster, postgresReady, postgresSpec, postgresUrl } from '../../src/cli/dev/postgres.ts';
import { findPostgres } from '../../src/cli/dev/postgres-binaries.ts';
import { sharedFolder } from '../../src/cli/dev/postgres-place.ts';
import { postgresUser } from '../../src/cli/dev/postgres-user.ts';
import { searchAttributeTypes } from '../../src/cli/dev/search-attributes.ts';
import { findTemporal } from '../../src/cli/dev/temporal-binary.ts';
import { temporalReady, temporalSpec } from '../../src/cli/dev/temporal-server.ts';

const readyBoundMs = 60_000;
const stopBoundMs = 5_000;
/** Building Temporal takes some 3 minutes, once. */
const getTemporalBoundMs = 20 * 60_000;

/** Settings of a Postgres whose data nobody needs after the tests. */
const careless = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** A folder that every user may enter, because Postgres never runs as root. */
export function openFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  chmodSync(folder, 0o755);
  return folder;
}

export interface PostgresService {
  url(database: string): string;
  child: Child;
  stop(): Promise<void>;
}

/** A fresh Postgres in the folder, on a free port. `durable` for tests that kill it. */
export async function startPostgres(folder: string, options = { durable: false }): Promise<PostgresService> {
  const user = postgresUser();
  const binaries = findPostgres(user, sharedFolder());
  const cluster = { binaries, user, data: join(folder, 'postgres', 'data'), password: 'for-tests-only' };
  await ensureCluster(cluster);
  const port = await freePort();
  const settings = options.durable ? {} : careless;
  const child = await startChild(
    postgresSpec(cluster, { port, logFile: join(folder, 'postgres.log'), settings }),
  );
  const url = (database: string) => postgresUrl(port, cluster.password, database);
  await untilReady(child, (signal) => postgresReady(url('postgres'), signal), readyBoundMs);
  return { url, child, stop: async () => void (await stopChild(child, stopBoundMs)) };
}

export interface TemporalService {
  address: string;
  /** Of its UI. */
  ui: string;
  binary: string;
  child: Child;
  stop(): Promise<void>;
}

/** A fresh Temporal on free ports; with a file it remembers across a restart. */
export async function startTemporal(
  folder: string,
  options: { dbFile?: string; searchAttributes?: Record<string, string> } = {},
): Promise<TemporalService> {
  const binary = await findTemporal(
    process.env,
    (line) => process.stderr.write(`${line}\n`),
    AbortSignal.timeout(getTemporalBoundMs),
  );
  const [port, uiPort] = [await freePort(), await freePort()];
  const logFile = join(folder, 'temporal.log');
  const { searchAttributes = searchAttributeTypes } = options;
  const child = await startChild(
    temporalSpec({ binary, port, uiPort, logFile, ...options, searchAttributes }),
  );
  const address = `${loopback}:${port}`;
  await untilReady(child, (signal) => temporalReady(address, searchAttributes, signal), readyBoundMs);
  const ui = `http://${loopback}:${uiPort}`;
  return { address, ui, binary, child, stop: async () => void (await stopChild(child, stopBoundMs)) };
}

/**
 * A shell that waits for the end of this process, however it ends, and then ends what was started: a test run that
 * is killed leaves nothing behind.
 */
export function startKeeper(children: Child[], folder: string): ChildProcess {
  const kill = children.map((child) => `kill -KILL -${child.pid} 2>/dev/null`).join('; ');
  const script = `read line; [ "$line" = done ] && exit 0; ${kill}; rm -rf "$0"`;
  return spawn('sh', ['-c', script, folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
