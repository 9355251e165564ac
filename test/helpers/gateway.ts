import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { SignJWT } from 'jose';
import { type Logger, pino } from 'pino';
import { announceFeeds } from '../../src/cli/announce-feeds.ts';
import { type Config, readConfig } from '../../src/config/config.ts';
import { type AuthConfig, createTokenVerifier } from '../../src/gateway/auth.ts';
import type { GatewayTimings } from '../../src/gateway/deps.ts';
import { type Gateway, startGateway } from '../../src/gateway/gateway.ts';
import type { LivePlane } from '../../src/live/port.ts';
import { createPostgresPlane } from '../../src/live/postgres-plane.ts';
import type { ParticipantRole } from '../../src/protocol/frame-parts.ts';
import { createPostgresAttachments } from '../../src/store/attachment-store.ts';
import { type Db, openPool } from '../../src/store/db.ts';
import { createSession } from '../../src/store/sessions.ts';
import { createTurnClient } from '../../src/temporal/turn-client.ts';
import { createAgentCatalogue } from '../../src/tools/agent-catalogue.ts';
import { openLimits } from '../../src/tools/limits-source.ts';
import { createTestDatabase, fromSetup } from './database.ts';
import { type ConnectOptions, SessionClient } from './session-client.ts';
import { until } from './until.ts';

export { until };

export const testSecret = 'a secret that is only for tests, 32+';

export function signToken(
  claims: Record<string, unknown> = {},
  options: { secret?: string; expires?: string } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const expires = options.expires === undefined ? { exp: now + 3_600 } : {};
  const token = new SignJWT({ sub: 'alice', tenant: 't', ...expires, ...claims }).setProtectedHeader({
    alg: 'HS256',
  });
  if (options.expires !== undefined) token.setExpirationTime(options.expires);
  return token.sign(new TextEncoder().encode(options.secret ?? testSecret));
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** The settings that tokens are checked by, as tests want them. */
export function authConfig(settings: Partial<AuthConfig> = {}): AuthConfig {
  const unset = { JWT_SECRET_FILE: undefined, JWT_JWKS_URL: undefined };
  const claims = { JWT_ISSUER: undefined, JWT_AUDIENCE: undefined, JWT_CLOCK_SKEW_MS: 0 };
  return { JWT_SECRET: testSecret, ...unset, ...claims, JWT_EXPIRY: 'required', ...settings };
}

/** A gateway in this process on a real Postgres and Temporal, and a plane beside it as a worker has one. */
export interface GatewayHarness {
  /** What workers write with; the gateway has a pool of its own. */
  db: Db;
  gateway: Gateway;
  http: string;
  ws: string;
  databaseUrl: string;
  /** What workers publish on. */
  worker: LivePlane;
  session(userId?: string, tenant?: string): Promise<string>;
  /** An HTTP request with a JSON body and a token, alice's unless another is given. */
  ask(method: string, path: string, options?: { token?: string; body?: unknown }): Promise<Answer>;
  /** Gives somebody a role in a session, past the API. */
  join(sessionId: string, userId: string, role: ParticipantRole): Promise<void>;
  /** Connects and waits for `welcome`; without a token of its own as alice. */
  connect(sessionId: string, options?: ConnectOptions): Promise<SessionClient>;
  /** Opens a socket and waits for nothing. */
  dial(sessionId: string, options?: ConnectOptions): Promise<SessionClient>;
  /** The same for the feed of whoever has the token. */
  dialFeed(options?: ConnectOptions): Promise<SessionClient>;
  close(): Promise<void>;
}

export interface HarnessOptions {
  timings?: Partial<GatewayTimings>;
  origins?: string;
  /** How tokens are checked, where it is not by the tests' secret alone. */
  auth?: Partial<AuthConfig>;
  /** Settings that differ from their defaults. */
  config?: Partial<Config>;
  logger?: Logger;
  /** Another gateway on the same store; it is closed before that one. */
  beside?: Pick<GatewayHarness, 'databaseUrl'>;
  /** The way to Postgres that the gateway takes, instead of the straight one. */
  wayTo?(databaseUrl: string): Promise<string>;
}

/** Two gateways on one store; closing the first closes both. */
export async function openGatewayPair(
  options: HarnessOptions = {},
): Promise<[GatewayHarness, GatewayHarness]> {
  const east = await openGatewayHarness(options);
  const west = await openGatewayHarness({ ...options, beside: east });
  const close = async () => {
    await west.close();
    await east.close();
  };
  return [{ ...east, close }, west];
}

export async function openGatewayHarness(options: HarnessOptions = {}): Promise<GatewayHarness> {
  const { beside } = options;
  const database = beside
    ? { url: beside.databaseUrl, drop: () => Promise.resolve() }
    : await createTestDatabase();
  const logger = options.logger ?? pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const connectionString = (await options.wayTo?.(database.url)) ?? database.url;
  const pool = (applicationName: string, url: string) =>
    openPool({
      connectionString: url,
      max: 5,
      applicationName,
      onError: (error) => logger.warn({ err: error }, 'a pooled connection broke'),
    });
  const gatewayDb = pool('test-gateway', connectionString);
  const db = pool('test-worker', database.url);
  const plane = (applicationName: string, url: string) =>
    createPostgresPlane({ connectionString: url, applicationName, logger });
  const live = plane('test-gateway-live', connectionString);
  const worker = plane('test-worker-live', database.url);
  announceFeeds(gatewayDb, live);
  announceFeeds(db, worker);
  const connection = await Connection.connect({ address: fromSetup('TURNGATE_TEST_TEMPORAL') });
  const client = new Client({ connection });
  const settings = { DATABASE_URL: connectionString, GATEWAY_PORT: '0', JWT_SECRET: testSecret };
  const gateway = await startGateway({
    config: { ...readConfig(settings), ALLOWED_ORIGINS: options.origins ?? '', ...options.config },
    db: gatewayDb,
    attachments: createPostgresAttachments(gatewayDb),
    live,
    // Nobody polls this queue: what a worker would do, the tests do through the store.
    turns: createTurnClient(client, { taskQueue: `gateway-test-${randomUUID()}` }),
    limits: await openLimits({ file: options.config?.TURNGATE_LIMITS, maxSteps: 25, logger }),
    agents: createAgentCatalogue(options.config?.TURNGATE_AGENTS_DIR ?? 'agents', logger),
    verifyToken: createTokenVerifier(authConfig(options.auth)),
    checkTemporal: async () => {
      await client.workflowService.getSystemInfo({});
    },
    logger,
    ...(options.timings === undefined ? {} : { timings: options.timings }),
  });
  const http = `http://127.0.0.1:${gateway.port}`;
  const ws = `ws://127.0.0.1:${gateway.port}`;
  await until(async () => (await fetch(`${http}/readyz`)).status === 200);
  const clients: SessionClient[] = [];
  const dialPath = async (path: string, connect: ConnectOptions = {}) => {
    const client = new SessionClient(`${ws}${path}`, {
      ...connect,
      token: connect.token === undefined ? await signToken() : connect.token,
    });
    clients.push(client);
    return client;
  };
  const dial = (sessionId: string, connect?: ConnectOptions) =>
    dialPath(`/v1/sessions/${sessionId}/ws`, connect);
  let isClosed = false;
  return {
    db,
    gateway,
    http,
    ws,
    databaseUrl: database.url,
    worker,
    session: async (userId = 'alice', tenant = 't') => (await createSession(db, { tenant, userId })).id,
    async ask(method, path, { token, body } = {}) {
      const response = await fetch(`${http}${path}`, {
        method,
        headers: { authorization: `Bearer ${token ?? (await signToken())}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
    },
    async join(sessionId, userId, role) {
      await db.query('insert into participants (session_id, user_id, role) values ($1, $2, $3)', [
        sessionId,
        userId,
        role,
      ]);
    },
    dial,
    dialFeed: (connect) => dialPath('/v1/feed', connect),
    async connect(sessionId, connect) {
      const client = await dial(sessionId, connect);
      await client.frame('welcome');
      return client;
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      for (const client of clients) client.terminate();
      await gateway.close();
      await Promise.all([live.close(), worker.close(), connection.close()]);
      await Promise.all([gatewayDb.end(), db.end()]);
      await database.drop();
    },
  };
}
