import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, type WorkflowExecutionDescription } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { searchAttributes } from '../../protocol/turn-workflow.ts';
import type { DevInfo } from '../dev/dev-file.ts';
import { namespace } from '../dev/temporal-server.ts';

const pollMs = 50;
const stateKey = defineSearchAttributeKey(searchAttributes.state, SearchAttributeType.KEYWORD);
const toolKey = defineSearchAttributeKey(searchAttributes.tool, SearchAttributeType.KEYWORD_LIST);

/** One turn's run, as `turn_started` names it. */
export interface Run {
  workflowId: string;
  runId: string;
}

/**
 * Waits until Temporal shows the run as waiting for an approval; the signal bounds it.
 * @returns the tools that it waits for
 */
export async function waitingTools(info: DevInfo, run: Run, signal: AbortSignal): Promise<string[]> {
  return await untilRun(info, run, signal, ({ typedSearchAttributes: shown }) =>
    shown.get(stateKey) === 'waiting_approval' ? (shown.get(toolKey) ?? []) : undefined,
  );
}

/**
 * Waits until Temporal has closed the run, as completed or because the next turn of its session follows; the signal
 * bounds it.
 * @returns the number of events in its history
 */
export async function closedHistory(info: DevInfo, run: Run, signal: AbortSignal): Promise<number> {
  return await untilRun(info, run, signal, ({ status, historyLength }) =>
    status.name === 'COMPLETED' || status.name === 'CONTINUED_AS_NEW' ? historyLength : undefined,
  );
}

/** The run's page in the Temporal UI. */
export function runLink(info: DevInfo, { workflowId, runId }: Run): string {
  return `${info.temporal_ui}/namespaces/${namespace}/workflows/${workflowId}/${runId}/history`;
}

async function untilRun<T>(
  info: DevInfo,
  run: Run,
  signal: AbortSignal,
  look: (description: WorkflowExecutionDescription) => T | undefined,
): Promise<T> {
  const connection = await Connection.connect({ address: info.temporal_address });
  try {
    const handle = new Client({ connection, namespace }).workflow.getHandle(run.workflowId, run.runId);
    for (;;) {
      const found = look(await handle.describe());
      if (found !== undefined) return found;
      await delay(pollMs, undefined, { signal });
    }
  } finally {
    await connection.close();
  }
}
