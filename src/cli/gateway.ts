import { Client, Connection } from '@temporalio/client';
import type { Logger } from 'pino';
import { type Config, readConfig } from '../config/config.ts';
import { createTokenVerifier } from '../gateway/auth.ts';
import type { GatewayTimings } from '../gateway/deps.ts';
import { startGateway } from '../gateway/gateway.ts';
import { createPostgresPlane } from '../live/postgres-plane.ts';
import { createPostgresAttachments } from '../store/attachment-store.ts';
import { openPool } from '../store/db.ts';
import { createTurnClient } from '../temporal/turn-client.ts';
import { createAgentCatalogue } from '../tools/agent-catalogue.ts';
import { openLimits } from '../tools/limits-source.ts';
import { announceFeeds } from './announce-feeds.ts';
import { createLogger } from './logger.ts';
import { announceReady } from './ready.ts';
import { untilSignalled } from './until-signalled.ts';

const TEMPORAL_CHECK_MS = 2_000;

export interface RunningGateway {
  port: number;
  /** @param noticeMs how long `/readyz` fails before connections are sent away */
  close(noticeMs?: number): Promise<void>;
}

/** The gateway's composition root: connections and HTTP on one Postgres and one Temporal. */
export async function openGateway(
  config: Config,
  logger: Logger,
  timings?: Partial<GatewayTimings>,
): Promise<RunningGateway> {
  const verifyToken = createTokenVerifier(config, {
    reportKeyFailure: (error) => logger.warn({ err: error }, 'the key set could not be read'),
  });
  const limits = await openLimits({ file: config.TURNGATE_LIMITS, maxSteps: config.MAX_STEPS, logger });
  const db = openPool({
    connectionString: config.DATABASE_URL,
    max: config.PG_POOL_MAX,
    applicationName: 'turngate-gateway',
    onError: (error) => logger.warn({ err: error }, 'a connection to the store was lost'),
  });
  const live = createPostgresPlane({
    connectionString: config.DATABASE_URL,
    applicationName: 'turngate-gateway-live',
    logger,
  });
  announceFeeds(db, live);
  // Lazy: a message is taken in while Temporal is away, and woken when it is back.
  const connection = Connection.lazy({ address: config.TEMPORAL_ADDRESS });
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  const closeParts = async () => {
    await Promise.allSettled([live.close(), connection.close(), db.end()]);
  };
  try {
    const gateway = await startGateway({
      config,
      db,
      attachments: createPostgresAttachments(db),
      live,
      turns: createTurnClient(client, { taskQueue: config.TEMPORAL_TASK_QUEUE }),
      limits,
      agents: createAgentCatalogue(config.TURNGATE_AGENTS_DIR, logger),
      verifyToken,
      checkTemporal: async () => {
        await client.withDeadline(Date.now() + TEMPORAL_CHECK_MS, () =>
          client.workflowService.describeNamespace({ namespace: config.TEMPORAL_NAMESPACE }),
        );
      },
      logger,
      ...(timings === undefined ? {} : { timings }),
    });
    return {
      port: gateway.port,
      async close(noticeMs = 0) {
        await gateway.close({ noticeMs });
        await closeParts();
      },
    };
  } catch (error) {
    await closeParts();
    throw error;
  }
}

/** Runs a gateway until it is told to stop. */
export async function runGateway(env: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(env);
  const logger = createLogger('gateway', config.LOG_LEVEL);
  const gateway = await openGateway(config, logger);
  const address = `${config.GATEWAY_HOST}:${gateway.port}`;
  announceReady({ http: `http://${address}`, ws: `ws://${address}` });
  const signal = await untilSignalled();
  logger.info({ signal }, 'gateway is stopping');
  await gateway.close(config.DRAIN_NOTICE_MS);
}
