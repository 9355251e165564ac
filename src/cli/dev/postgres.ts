import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { errorText } from '../../protocol/error-text.ts';
import type { ChildSpec } from './child.ts';
import { pollUntil } from './poll.ts';
import { loopback } from './ports.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { UserIds } from './postgres-user.ts';
import { StartFailure } from './start-failure.ts';

/** Where a Postgres of ours lives and who runs it. */
export interface PostgresCluster {
  binaries: PostgresBinaries;
  /** Its data folder; the folder above it is made here too. */
  data: string;
  user: UserIds | undefined;
  password: string;
}

const superuser = 'turngate';
const majorVersion = '18';
const halfMade = 'making-';
const initTimeoutMs = 60_000;
const probeEveryMs = 25;
const probeTimeoutMs = 2_000;
const run = promisify(execFile);

/** Environment of Postgres's own programs: ours may hold settings (PGDATA, LC_ALL) that would change them. */
const bareEnv = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };

export function postgresUrl(port: number, password: string, database: string): string {
  return `postgres://${superuser}:${encodeURIComponent(password)}@${loopback}:${port}/${database}`;
}

/**
 * Makes the data folder unless it is there.
 * @param signal gives up making it
 * @returns true where it was made now
 * @throws StartFailure where what is there is no data folder of Postgres 18
 */
export async function ensureCluster(cluster: PostgresCluster, signal?: AbortSignal): Promise<boolean> {
  const { data, user } = cluster;
  if (existsSync(join(data, 'PG_VERSION'))) {
    checkVersion(data);
    return false;
  }
  if (existsSync(data) && !(statSync(data).isDirectory() && readdirSync(data).length === 0)) {
    throw new StartFailure(
      `${data} holds something that is not a Postgres data folder (no PG_VERSION in it); move it away and start again.`,
    );
  }
  const home = dirname(data);
  // Only the folder itself is closed: Postgres's user must be able to pass those above it.
  mkdirSync(dirname(home), { recursive: true, mode: 0o755 });
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (user !== undefined) {
    chmodSync(home, 0o700);
    chownSync(home, user.uid, user.gid);
  }
  for (const name of readdirSync(home).filter((entry) => entry.startsWith(halfMade))) {
    rmSync(join(home, name), { recursive: true, force: true });
  }
  // Made beside its place and moved in at the end: a start that is cut short leaves nothing half made.
  const half = join(home, `${halfMade}${randomUUID()}`);
  const passwordFile = `${half}.password`;
  try {
    writeFileSync(passwordFile, cluster.password, { mode: 0o600 });
    if (user !== undefined) chownSync(passwordFile, user.uid, user.gid);
    await initialise({ ...cluster, data: half }, passwordFile, signal);
    renameSync(half, data);
  } catch (error) {
    throw new StartFailure(
      `Postgres cannot make its data folder ${data} (${lastLine(error)}); see that its disk has room and that the folder above it can be written.`,
    );
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(half, { recursive: true, force: true });
  }
  return true;
}

/** initdb says what went wrong in the last line of its stderr; Node's own words only repeat the command. */
function lastLine(error: unknown): string {
  const hasStderr = typeof error === 'object' && error !== null && 'stderr' in error;
  const words = hasStderr ? String(error.stderr).trim() : '';
  return (words || errorText(error)).split('\n').at(-1) ?? '';
}

function checkVersion(data: string): void {
  const version = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
  if (version === majorVersion) return;
  throw new StartFailure(
    `The Postgres data folder ${data} is ${version === '' ? 'broken (its PG_VERSION is empty)' : `of version "${version}", not ${majorVersion}`}; ` +
      'move it away, or choose another data folder with --data.',
  );
}

async function initialise(
  cluster: PostgresCluster,
  passwordFile: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const args = [
    `--pgdata=${cluster.data}`,
    `--username=${superuser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
  ];
  const options = {
    cwd: '/',
    env: bareEnv,
    timeout: initTimeoutMs,
    ...cluster.user,
    ...(signal === undefined ? {} : { signal }),
  };
  await run(cluster.binaries.initdb, args, options);
}

/** How to start it: on loopback only, without Unix sockets, so that two copies never meet. */
export function postgresSpec(
  cluster: PostgresCluster,
  options: { port: number; logFile: string; settings?: Record<string, string> },
): ChildSpec {
  const settings = {
    listen_addresses: loopback,
    port: String(options.port),
    unix_socket_directories: '',
    max_connections: '300',
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return {
    role: 'postgres',
    command: cluster.binaries.postgres,
    args: ['-D', cluster.data, ...args],
    env: bareEnv,
    cwd: '/',
    logFile: options.logFile,
    ipc: false,
    // Fast shutdown, then immediate: SIGTERM would wait for every client to leave.
    stopSignals: ['SIGINT', 'SIGQUIT'],
    hint: `If its data folder is broken, move ${cluster.data} away and start again.`,
    ...(cluster.user === undefined ? {} : { user: cluster.user }),
  };
}

/** Resolves once it answers a query. */
export async function postgresReady(url: string, signal: AbortSignal): Promise<void> {
  await pollUntil(() => withClient(url, (client) => client.query('select 1')), probeEveryMs, signal);
}

/** Makes the database unless it is there. */
export async function ensureDatabase(adminUrl: string, name: string): Promise<void> {
  await withClient(adminUrl, async (client) => {
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`);
  });
}

/** Runs one piece of work on a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: probeTimeoutMs });
  // A connection that breaks between two queries shows in the next query; without a listener it would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
