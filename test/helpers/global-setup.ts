import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDatabase } from '../../src/cli/dev/postgres.ts';
import { migrate } from '../../src/store/migrate.ts';
import { templateDatabase } from './database.ts';
import { keepRunning, type Running } from './running.ts';
import {
  openFolder,
  type PostgresService,
  removeFolder,
  startKeeper,
  startPostgres,
  startTemporal,
  type TemporalService,
} from './services.ts';

const workflows = fileURLToPath(new URL('../../src/workflows/index.ts', import.meta.url));

/** One Postgres, one Temporal and one workflow bundle for the whole run; tests find them by environment. */
export default async function globalSetup(): Promise<void> {
  const folder = openFolder('turngate-test-');
  const started: (PostgresService | TemporalService)[] = [];
  const noted = async <T extends PostgresService | TemporalService>(starting: Promise<T>): Promise<T> => {
    const service = await starting;
    started.push(service);
    return service;
  };
  try {
    const parts = await Promise.allSettled([
      noted(startPostgres(folder)),
      noted(startTemporal(folder)),
      bundleWorkflows(join(folder, 'workflows.js')),
    ]);
    const [postgres, temporal, bundle] = parts;
    if (postgres.status === 'rejected') throw postgres.reason;
    if (temporal.status === 'rejected') throw temporal.reason;
    if (bundle.status === 'rejected') throw bundle.reason;
    await ensureDatabase(postgres.value.url('postgres'), templateDatabase);
    await migrate(postgres.value.url(templateDatabase));
    process.env.TURNGATE_TEST_PG = postgres.value.url('postgres');
    process.env.TURNGATE_TEST_TEMPORAL = temporal.value.address;
    process.env.TURNGATE_TEST_TEMPORAL_BIN = temporal.value.binary;
    if (bundle.value) process.env.TURNGATE_TEST_BUNDLE = join(folder, 'workflows.js');
    const running: Running = {
      folder,
      services: started,
      keeper: startKeeper(
        started.map((part) => part.child),
        folder,
      ),
    };
    keepRunning(running);
  } catch (error) {
    await Promise.all(started.map((part) => part.stop()));
    removeFolder(folder);
    throw error;
  }
}

async function bundleWorkflows(file: string): Promise<boolean> {
  if (!existsSync(workflows)) return false;
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode({ workflowsPath: workflows, logger: new DefaultLogger('WARN') });
  writeFileSync(file, code);
  return true;
}
