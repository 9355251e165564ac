import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDatabase } from '../../src/cli/dev/postgres.ts';
// Set here as in a gateway's own process, because Jest's copy of the environment does not reach uWebSockets.js.
import '../../src/gateway/header-bound.ts';
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
      writeBundle(join(folder, 'workflows.js')),
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
    process.env.TURNGATE_TEST_TEMPORAL_UI = temporal.value.ui;
    process.env.TURNGATE_TEST_BUNDLE = join(folder, 'workflows.js');
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

async function writeBundle(file: string): Promise<void> {
  const { bundleWorkflows } = await import('../../src/cli/workflow-bundle.ts');
  writeFileSync(file, await bundleWorkflows());
}
