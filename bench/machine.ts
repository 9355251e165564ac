import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { withClient } from '../src/cli/dev/postgres.ts';
import { round } from './stats.ts';
import type { System } from './system.ts';

/** What somebody must know of the machine to read the figures; nothing that names it. */
export async function machineFacts(system: System): Promise<Record<string, unknown>> {
  const server = await system.temporal.workflowService.getSystemInfo({});
  const shown = await withClient(system.dev.database_url, (client) =>
    client.query<{ server_version: string }>('show server_version'),
  );
  return {
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memory_gib: round(totalmem() / 2 ** 30, 1),
    system: `${process.platform} ${process.arch}`,
    load_average: loadavg().map((load) => round(load, 2)),
    versions: {
      node: process.version,
      turngate: versionOf('../package.json'),
      temporal_server: server.serverVersion ?? 'unknown',
      temporal_sdk: versionOf('../node_modules/@temporalio/worker/package.json'),
      postgres: shown.rows[0]?.server_version ?? 'unknown',
    },
  };
}

function versionOf(packageFile: string): string {
  const text = readFileSync(new URL(packageFile, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
