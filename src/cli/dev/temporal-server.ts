import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { ChildSpec } from './child.ts';
import { pollUntil } from './poll.ts';
import { loopback } from './ports.ts';

export interface TemporalServerOptions {
  binary: string;
  port: number;
  uiPort: number;
  /** SQLite file; without one the server forgets everything when it ends. */
  dbFile?: string;
  logFile: string;
  /** Name → type, registered before any worker starts: an unknown one fails the workflow task. */
  searchAttributes: Record<string, string>;
}

export const namespace = 'default';
const retentionDays = 30;
const dayMs = 86_400_000;
const probeEveryMs = 50;
/** Temporal's IndexedValueType. */
const typeNumbers: Record<string, number> = { Keyword: 2, Datetime: 6, KeywordList: 7 };
const rpcTimeoutMs = 5_000;

/** How to start Temporal's development server. Why each setting is there: docs/architecture.md. */
export function temporalSpec(options: TemporalServerOptions): ChildSpec {
  const dynamicConfig = [
    'system.enableActivityEagerExecution=true',
    // In server 1.29 this is what spaces runs that follow by continue-as-new (one second by default).
    'history.workflowIdReuseMinimalInterval="0s"',
    // Ten minutes by default: so long a run could wait after its worker had died in the middle of it several times.
    'history.workflowTaskRetryMaxInterval="30s"',
    // Its HTTP API would take an approval signal from any web page that the developer visits.
    'frontend.httpAllowedHosts=["none.invalid"]',
  ];
  const pragmas = ['journal_mode=WAL', 'synchronous=FULL'];
  const database =
    options.dbFile === undefined
      ? []
      : ['--db-filename', options.dbFile, ...pragmas.flatMap((pragma) => ['--sqlite-pragma', pragma])];
  const attributes = Object.entries(options.searchAttributes);
  return {
    role: 'temporal',
    command: options.binary,
    args: [
      ...['server', 'start-dev', '--ip', loopback, '--ui-ip', loopback, '--log-level', 'warn'],
      ...['--port', String(options.port), '--ui-port', String(options.uiPort)],
      ...database,
      ...dynamicConfig.flatMap((setting) => ['--dynamic-config-value', setting]),
      ...attributes.flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
    ],
    // Only what a program needs: settings of a Temporal client (TEMPORAL_*) would change what the CLI does.
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR },
    cwd: '/',
    logFile: options.logFile,
    ipc: false,
    stopSignals: ['SIGTERM'],
    hint:
      options.dbFile === undefined
        ? 'Try again.'
        : `If its database is broken, move ${options.dbFile} away and start again.`,
  };
}

/** Resolves once the server answers, knows every search attribute, and keeps closed runs for 30 days. */
export async function temporalReady(
  address: string,
  searchAttributes: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const connection = Connection.lazy({ address });
  try {
    await pollUntil(() => prepare(connection, searchAttributes), probeEveryMs, signal);
  } finally {
    await connection.close();
  }
}

/** Resolves once the UI answers. */
export async function uiReady(url: string, signal: AbortSignal): Promise<void> {
  const probe = async (): Promise<void> => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(rpcTimeoutMs) });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  };
  await pollUntil(probe, probeEveryMs, signal);
}

/**
 * Makes a Temporal that somebody else runs fit: registers the search attributes that it lacks. Its retention is
 * its owner's business.
 */
export async function registerSearchAttributes(
  address: string,
  searchAttributes: Record<string, string>,
): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: rpcTimeoutMs });
  try {
    await addMissing(connection, searchAttributes);
  } finally {
    await connection.close();
  }
}

/** @returns the names of those that were missing until now */
async function addMissing(
  connection: Connection,
  searchAttributes: Record<string, string>,
): Promise<string[]> {
  const known = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(searchAttributes).filter(
    ([name]) => known.customAttributes?.[name] === undefined,
  );
  if (missing.length === 0) return [];
  const types = missing.map(([name, type]) => [name, typeNumbers[type] ?? 0]);
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(types),
  });
  return missing.map(([name]) => name);
}

async function prepare(connection: Connection, searchAttributes: Record<string, string>): Promise<void> {
  await connection.withDeadline(Date.now() + rpcTimeoutMs, async () => {
    // The server registers those of its command line only where it makes its database.
    const missing = await addMissing(connection, searchAttributes);
    if (missing.length > 0) throw new Error(`search attributes not registered yet: ${missing.join(', ')}`);
    await connection.workflowService.updateNamespace({
      namespace,
      config: { workflowExecutionRetentionTtl: msToTs(retentionDays * dayMs) },
    });
  });
}
