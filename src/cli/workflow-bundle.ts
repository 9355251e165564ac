import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const workflowsPath = here('../workflows/index.ts');
export const payloadConverterPath = here('../workflows/payload-converter.ts');

/** The workflows as one script: built once for a deployment or a test suite, it saves each worker seconds at its start. */
export async function bundleWorkflows(): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    payloadConverterPath,
    logger: new DefaultLogger('WARN'),
  });
  return code;
}
