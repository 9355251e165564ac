import { existsSync } from 'node:fs';
import { Client } from '@temporalio/client';
import {
  NativeConnection,
  type NativeConnectionOptions,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivities } from '../activities/create-activities.ts';
import { DraftWriter } from '../activities/draft-writer.ts';
import { Reconciler } from '../activities/reconciler.ts';
import { TurnNudges } from '../activities/turn-nudges.ts';
import { type Config, readConfig } from '../config/config.ts';
import { createPostgresPlane } from '../live/postgres-plane.ts';
import { createOpenAiModel } from '../model/openai-model.ts';
import { toolTaskQueue } from '../protocol/turn-workflow.ts';
import { createPostgresAttachments } from '../store/attachment-store.ts';
import { openPool } from '../store/db.ts';
import { createTurnClient } from '../temporal/turn-client.ts';
import { createAgentLoader } from '../tools/agent-loader.ts';
import { openLimits } from '../tools/limits-source.ts';
import { createMcpTools } from '../tools/mcp-tools.ts';
import { announceFeeds } from './announce-feeds.ts';
import { defaultServerOf } from './default-server.ts';
import { createLogger } from './logger.ts';
import { policyInForce, requireUsablePolicy } from './policy-in-force.ts';
import { announceReady } from './ready.ts';
import { temporalLogger } from './temporal-logger.ts';
import { untilSignalled } from './until-signalled.ts';
import { requireUsableWebhooks, webhookSender } from './webhooks-in-force.ts';
import { reportHealth } from './worker-health.ts';
import { bundleWorkflows, payloadConverterPath } from './workflow-bundle.ts';

const SHUTDOWN_GRACE = '1 s';
const SHUTDOWN_FORCE = '2 s';

export interface RunningWorker {
  /** Rejects when the worker stops by itself. */
  failed: Promise<never>;
  close(): Promise<void>;
}

/** The worker's composition root: workflows, activities and the reconciler on one Temporal and one Postgres. */
export async function startWorker(
  config: Config,
  env: NodeJS.ProcessEnv,
  logger: Logger,
): Promise<RunningWorker> {
  const policy = {
    file: config.TURNGATE_POLICY,
    defaultServer: defaultServerOf(config.TURNGATE_MCP_CONFIG),
  };
  await requireUsablePolicy(policy);
  const endpoints = requireUsableWebhooks(config.TURNGATE_WEBHOOKS, env, logger);
  const limits = await openLimits({
    file: config.TURNGATE_LIMITS,
    maxSteps: config.MAX_STEPS,
    logger,
  });
  const db = openPool({
    connectionString: config.DATABASE_URL,
    max: config.PG_POOL_MAX,
    applicationName: 'turngate-worker',
    onError: (error) => logger.warn({ err: error }, 'a connection to the store was lost'),
  });
  const live = createPostgresPlane({
    connectionString: config.DATABASE_URL,
    applicationName: 'turngate-worker-live',
    logger,
  });
  announceFeeds(db, live);
  const nudges = new TurnNudges();
  await live.subscribeNudges((nudge) => nudges.deliver(nudge));
  const tools = createMcpTools({
    ...(existsSync(config.TURNGATE_MCP_CONFIG)
      ? { configFile: config.TURNGATE_MCP_CONFIG }
      : { servers: {} }),
    env,
    logger,
    timeoutMs: config.TOOL_TIMEOUT_MS,
  });
  const connection = await NativeConnection.connect(connectionOptions(config));
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  const turns = createTurnClient(client, { taskQueue: config.TEMPORAL_TASK_QUEUE });
  const debug =
    config.TURN_DEBUG === 'on'
      ? { temporalUi: config.TEMPORAL_UI, namespace: config.TEMPORAL_NAMESPACE }
      : undefined;
  const attachments = createPostgresAttachments(db);
  const activities = createActivities({
    db,
    live,
    tools,
    attachments,
    model: createOpenAiModel({
      apiKey: config.OPENAI_API_KEY,
      baseUrl: config.OPENAI_BASE_URL,
      silenceMs: config.MODEL_SILENCE_MS,
    }),
    loadAgent: createAgentLoader(config.TURNGATE_AGENTS_DIR),
    policy: policyInForce(policy, db, logger),
    limits,
    drafts: new DraftWriter(db, logger),
    nudges,
    config,
    debug,
    logger,
  });
  const common = {
    connection,
    namespace: config.TEMPORAL_NAMESPACE,
    activities: { ...activities },
    shutdownGraceTime: SHUTDOWN_GRACE,
    shutdownForceTime: SHUTDOWN_FORCE,
    maxHeartbeatThrottleInterval: '2 s',
    defaultHeartbeatThrottleInterval: '2 s',
  } as const satisfies Partial<WorkerOptions>;
  // Servers start while Temporal's workers do, so that the first turn need not wait for them.
  const bundle = await workflowBundle(env);
  const [steps, calls] = await Promise.all([
    Worker.create({
      ...common,
      workflowBundle: bundle,
      taskQueue: config.TEMPORAL_TASK_QUEUE,
      dataConverter: { payloadConverterPath },
      maxConcurrentActivityTaskExecutions: config.STEP_SLOTS,
      // A killed worker's workflows are taken over after this long, not after the default 10 s.
      stickyQueueScheduleToStartTimeout: '1 s',
      workflowFailureErrorTypes: { '*': ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'] },
    }),
    Worker.create({
      ...common,
      taskQueue: toolTaskQueue(config.TEMPORAL_TASK_QUEUE),
      maxConcurrentActivityTaskExecutions: config.TOOL_SLOTS,
    }),
    tools.list(),
  ]);
  const running = Promise.all([steps.run(), calls.run()]);
  const reconciler = new Reconciler({
    db,
    live,
    attachments,
    unusedAttachmentMs: config.ATTACHMENT_UNUSED_MS,
    client,
    turns,
    retentionMs: config.EVENT_RETENTION_MS,
    logger,
    debug,
  });
  reconciler.start();
  const webhooks = webhookSender({ db, endpoints, logger }, config);
  webhooks.start();
  const stopReporting = reportHealth(
    config.WORKER_HEALTH_FILE,
    {
      isPolling: () => [steps, calls].every((worker) => worker.getState() === 'RUNNING'),
      roundedAt: () => reconciler.roundedAt,
    },
    logger,
  );
  const failed = running.then(() => {
    throw new Error('The Temporal worker stopped by itself.');
  });
  return {
    failed,
    async close() {
      stopReporting();
      for (const worker of [steps, calls]) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled([running, reconciler.stop(), webhooks.stop()]);
      await Promise.allSettled([tools.close(), live.close()]);
      await Promise.allSettled([db.end(), connection.close()]);
    },
  };
}

function connectionOptions(config: Config): NativeConnectionOptions {
  return { address: config.TEMPORAL_ADDRESS };
}

async function workflowBundle(env: NodeJS.ProcessEnv): Promise<NonNullable<WorkerOptions['workflowBundle']>> {
  const codePath = env.TURNGATE_WORKFLOW_BUNDLE;
  return codePath ? { codePath } : { code: await bundleWorkflows() };
}

/** Runs a worker until it is told to stop. */
export async function runWorker(env: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(env);
  const logger = createLogger('worker', config.LOG_LEVEL);
  Runtime.install({ shutdownSignals: [], logger: temporalLogger(logger) });
  const worker = await startWorker(config, env, logger);
  worker.failed.catch((error: unknown) => logger.debug({ err: error }, 'the worker has stopped'));
  logger.info({ task_queue: config.TEMPORAL_TASK_QUEUE }, 'worker is ready');
  announceReady({});
  const stopped = await Promise.race([untilSignalled(), worker.failed]).catch((error: unknown) => error);
  logger.info('worker is stopping');
  await worker.close();
  if (stopped instanceof Error) throw stopped;
}
