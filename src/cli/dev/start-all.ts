import { dirname, resolve } from 'node:path';
import { migrate } from '../../store/migrate.ts';
import { defaultServerOf } from '../default-server.ts';
import { requireUsablePolicy } from '../policy-in-force.ts';
import { signToken } from '../token.ts';
import type { DataFolder } from './data-folder.ts';
import { type DatabasePart, prepareDatabase } from './database-part.ts';
import type { DevInfo } from './dev-file.ts';
import { chooseModel, type ModelChoice } from './model-choice.ts';
import { loopback, settlePort } from './ports.ts';
import { besideOrShipped, rolePart } from './role-parts.ts';
import { ensureSecret, jwtSecretFile } from './secrets.ts';
import type { DevSettings } from './settings.ts';
import type { Supervisor } from './supervisor.ts';
import { prepareTemporal, type TemporalPart } from './temporal-part.ts';

const tokenDays = 30;
const daySeconds = 86_400;

export interface Start {
  supervisor: Supervisor;
  settings: DevSettings;
  folder: DataFolder;
  env: NodeJS.ProcessEnv;
  say(line: string): void;
}

/**
 * Starts every part in its order, each after what it needs is ready.
 * @throws StartFailure where one does not start; the caller stops the others
 */
export async function startAll(start: Start): Promise<{ info: DevInfo; model: ModelChoice }> {
  const { supervisor, settings, folder, env, say } = start;
  warnOfUnusedSettings(env, say);
  // Told at once, not after Postgres and Temporal have started for nothing.
  await requireUsablePolicy({ file: policyFile(env), defaultServer: defaultServerOf(mcpFile(env)) });
  const secretFile = jwtSecretFile(folder.path);
  const secret = ensureSecret(secretFile);
  // Every port is settled before anything starts: a taken one is told at once, and a part that is
  // started again finds the others where they were.
  const gatewayPort = await settlePort(settings.gatewayPort, 'the gateway', '--gateway-port');
  const modelPort = await settlePort(settings.modelPort, 'the demo model', '--model-port');
  const temporal = await prepareTemporal(start);
  const database = await prepareDatabase(start);

  say('Starting Postgres and Temporal ...');
  const services = [database.part, ...(temporal.part === undefined ? [] : [temporal.part])];
  await allOf(services.map((part) => supervisor.start(part)));
  await database.createDatabase();
  await migrate(database.url, say);

  const model = chooseModel(env, `http://${loopback}:${modelPort}/v1`);
  const roleEnv = {
    ...settingsOfRoles(start, temporal, database),
    GATEWAY_PORT: String(gatewayPort),
    DEMO_MODEL_PORT: String(modelPort),
    JWT_SECRET: '',
    JWT_SECRET_FILE: secretFile,
    ...model.env,
  };
  // Relative paths in mcp.json are meant from where it lies, unless a person says where it lies.
  const cwd = env.TURNGATE_MCP_CONFIG ? process.cwd() : dirname(besideOrShipped('mcp.json'));
  say('Starting the worker and the gateway ...');
  const [gateway] = await allOf([
    supervisor.start(rolePart('gateway', roleEnv, cwd, folder)),
    supervisor.start(rolePart('worker', roleEnv, cwd, folder)),
    ...(model.demo ? [supervisor.start(rolePart('demo-model', roleEnv, cwd, folder))] : []),
  ]);
  const ready = (await gateway?.readyMessage) ?? {};
  const info: DevInfo = {
    http: String(ready.http),
    ws: String(ready.ws),
    token: await developerToken(secret, env),
    temporal_address: temporal.address,
    ...(temporal.ui === undefined ? {} : { temporal_ui: temporal.ui }),
    data: folder.path,
    postgres_data: resolve(database.data),
    database_url: database.url,
    model: model.name,
    processes: supervisor.processes(),
    supervisor: process.pid,
  };
  return { info, model };
}

function warnOfUnusedSettings(env: NodeJS.ProcessEnv, say: (line: string) => void): void {
  if (env.DATABASE_URL) {
    say('DATABASE_URL is not used here: `turngate dev` keeps its data in a Postgres of its own.');
  }
  if (env.OPENAI_BASE_URL && !env.OPENAI_API_KEY) {
    say(
      'OPENAI_BASE_URL is set without OPENAI_API_KEY, so the demo model answers; a server without keys takes any word.',
    );
  }
}

function settingsOfRoles(start: Start, temporal: TemporalPart, database: DatabasePart): NodeJS.ProcessEnv {
  return {
    ...start.env,
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_UI: temporal.ui ?? '',
    TURN_DEBUG: start.env.TURN_DEBUG || 'on',
    // No load balancer stands before it.
    DRAIN_NOTICE_MS: start.env.DRAIN_NOTICE_MS || '0',
    GATEWAY_HOST: loopback,
    TURNGATE_AGENTS_DIR: resolve(start.env.TURNGATE_AGENTS_DIR || besideOrShipped('agents')),
    TURNGATE_MCP_CONFIG: mcpFile(start.env),
    TURNGATE_POLICY: policyFile(start.env),
    ...(start.env.TURNGATE_LIMITS ? { TURNGATE_LIMITS: resolve(start.env.TURNGATE_LIMITS) } : {}),
    ...(start.env.TURNGATE_WEBHOOKS ? { TURNGATE_WEBHOOKS: resolve(start.env.TURNGATE_WEBHOOKS) } : {}),
    TURNGATE_DATA: start.folder.path,
  };
}

function mcpFile(env: NodeJS.ProcessEnv): string {
  return resolve(env.TURNGATE_MCP_CONFIG || besideOrShipped('mcp.json'));
}

function policyFile(env: NodeJS.ProcessEnv): string {
  return resolve(env.TURNGATE_POLICY || besideOrShipped('policy.yaml'));
}

function developerToken(secret: string, env: NodeJS.ProcessEnv): Promise<string> {
  return signToken(secret, {
    user: 'dev',
    tenant: 'dev',
    name: 'Developer',
    ttlSeconds: tokenDays * daySeconds,
    ...(env.JWT_ISSUER ? { issuer: env.JWT_ISSUER } : {}),
    ...(env.JWT_AUDIENCE ? { audience: env.JWT_AUDIENCE } : {}),
  });
}

/** All of them, or the first failure, but only once every one of them has settled. */
async function allOf<T>(starting: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(starting);
  return Promise.all(starting);
}
