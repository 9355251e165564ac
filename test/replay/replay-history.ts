import { readFileSync } from 'node:fs';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { payloadConverterPath } from '../../src/cli/workflow-bundle.ts';

/*
 * Replays one history, from a file, against a bundle: `node replay-history.ts <bundle> <history>`. A process of its own,
 * because in Jest's module sandbox the SDK's protobuf library takes its own types for strangers.
 */
const [codePath = '', file = ''] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger('ERROR') });
await Worker.runReplayHistory(
  { workflowBundle: { codePath }, dataConverter: { payloadConverterPath } },
  JSON.parse(readFileSync(file, 'utf8')),
);
console.log('replayed');
