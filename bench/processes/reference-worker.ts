import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { announceReady } from '../../src/cli/ready.ts';
import { untilSignalled } from '../../src/cli/until-signalled.ts';
import { toolTaskQueue } from '../../src/protocol/turn-workflow.ts';
import { nowMs } from '../clock.ts';

/**
 * The bare reference: a worker as the SDK makes it, with workflows and one activity that only looks at the clock; and
 * the same activity on a task queue of its own, as our tools have one.
 */
Runtime.install({ shutdownSignals: [] });
const connection = await NativeConnection.connect({ address: String(process.env.TEMPORAL_ADDRESS) });
const activities = { begin: async () => nowMs() };
const taskQueue = String(process.env.BENCH_TASK_QUEUE);
const worker = await Worker.create({
  connection,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./reference-workflow.ts', import.meta.url)),
  activities,
});
const tools = await Worker.create({ connection, taskQueue: toolTaskQueue(taskQueue), activities });
const running = Promise.all([worker.run(), tools.run()]);
announceReady({});
await Promise.race([untilSignalled(), running]);
for (const one of [worker, tools]) if (one.getState() === 'RUNNING') one.shutdown();
await running;
await connection.close();
process.exit(0);
