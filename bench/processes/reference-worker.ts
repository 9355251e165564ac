import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { announceReady } from '../../src/cli/ready.ts';
import { untilSignalled } from '../../src/cli/until-signalled.ts';
import { nowMs } from '../clock.ts';

/** The bare reference: a worker as the SDK makes it, with one workflow and one activity that only looks at the clock. */
Runtime.install({ shutdownSignals: [] });
const connection = await NativeConnection.connect({ address: String(process.env.TEMPORAL_ADDRESS) });
const worker = await Worker.create({
  connection,
  taskQueue: String(process.env.BENCH_TASK_QUEUE),
  workflowsPath: fileURLToPath(new URL('./reference-workflow.ts', import.meta.url)),
  activities: { begin: async () => nowMs() },
});
const running = worker.run();
announceReady({});
await Promise.race([untilSignalled(), running]);
if (worker.getState() === 'RUNNING') worker.shutdown();
await running;
await connection.close();
process.exit(0);
