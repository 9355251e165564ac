import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChildSpec } from '../../../src/cli/dev/child.ts';
import { freePort, loopback } from '../../../src/cli/dev/ports.ts';
import { ensureDatabase } from '../../../src/cli/dev/postgres.ts';
import { searchAttributeTypes } from '../../../src/cli/dev/search-attributes.ts';
import { findTemporal } from '../../../src/cli/dev/temporal-binary.ts';
import { temporalReady, temporalSpec } from '../../../src/cli/dev/temporal-server.ts';
import { bundleWorkflows } from '../../../src/cli/workflow-bundle.ts';
import { migrate } from '../../../src/store/migrate.ts';
import { repository } from '../../helpers/dev.ts';
import { type ScriptedModel, startScriptedModel } from '../../helpers/scripted-model.ts';
import { openFolder, type PostgresService, removeFolder, startPostgres } from '../../helpers/services.ts';
import { sayPlan } from './model.ts';
import { Part } from './part.ts';
import { faultsPolicy } from './policy.ts';

const getTemporalBoundMs = 20 * 60_000;
export const secret = 'a secret that is only for the fault kit';
const effectsServer = fileURLToPath(new URL('../../mcp-servers/effects.ts', import.meta.url));

/** Every part of the product as a process of its own that can be killed; Postgres and the model stay. */
export interface ToolsSystem {
  worker: Part;
  gateways: { part: Part; http: string; ws: string }[];
  temporal: Part;
  databaseUrl: string;
  effectsFile: string;
  /** Logs, and whatever else helps to find out what went wrong. */
  folder: string;
  stop(options: { keepFolder: boolean }): Promise<void>;
}

export interface SystemOptions {
  /** Where the tools' server tells its moments. */
  momentsUrl: string;
  gateways: number;
  onDeath(words: string): void;
}

export async function startToolsSystem(options: SystemOptions): Promise<ToolsSystem> {
  const folder = openFolder('turngate-faults-tools-');
  const started: { postgres?: PostgresService; model?: ScriptedModel; parts: Part[] } = { parts: [] };
  const release = keepWatch(folder);
  const stop = async ({ keepFolder }: { keepFolder: boolean }) => {
    await Promise.all(started.parts.map((part) => part.stop()));
    await started.postgres?.stop();
    await started.model?.close();
    release();
    if (!keepFolder) removeFolder(folder);
  };
  const part = (spec: ChildSpec, ready: ConstructorParameters<typeof Part>[0]['ready']) => {
    const made = new Part({ spec, ready, pids: join(folder, 'pids'), onDeath: options.onDeath });
    started.parts.push(made);
    return made;
  };
  try {
    started.model = await startScriptedModel(sayPlan);
    started.postgres = await startPostgres(folder, { durable: true });
    writeFileSync(join(folder, 'pids', 'postgres'), `${started.postgres.child.pid}\n`);
    const databaseUrl = started.postgres.url('turngate');
    await ensureDatabase(started.postgres.url('postgres'), 'turngate');
    await migrate(databaseUrl);
    const address = `${loopback}:${await freePort()}`;
    const temporal = part(await temporalOf(folder, address), (_child, signal) =>
      temporalReady(address, searchAttributeTypes, signal),
    );
    await temporal.start();
    const effectsFile = join(folder, 'effects.jsonl');
    writeFileSync(effectsFile, '');
    const env = await environmentOf(folder, { ...options, effectsFile, modelUrl: started.model.url });
    const shared = { ...env, DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: address };
    const role = (name: string, command: string, more: Record<string, string> = {}) =>
      part(roleSpec(folder, name, command, { ...shared, ...more }), (child) => child.readyMessage);
    const worker = role('worker', 'worker');
    const gateways = await Promise.all(
      Array.from({ length: options.gateways }, async (_, index) => {
        const at = `${loopback}:${await freePort()}`;
        const settings = { GATEWAY_HOST: loopback, GATEWAY_PORT: String(at.split(':')[1]) };
        const made = role(`gateway-${index + 1}`, 'gateway', settings);
        return { part: made, http: `http://${at}`, ws: `ws://${at}` };
      }),
    );
    await Promise.all([worker, ...gateways.map((gateway) => gateway.part)].map((one) => one.start()));
    return { worker, gateways, temporal, databaseUrl, effectsFile, folder, stop };
  } catch (error) {
    await stop({ keepFolder: true });
    throw error;
  }
}

async function temporalOf(folder: string, address: string): Promise<ChildSpec> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  return temporalSpec({
    binary: await findTemporal(process.env, say, AbortSignal.timeout(getTemporalBoundMs)),
    port: Number(address.split(':')[1]),
    uiPort: await freePort(),
    dbFile: join(folder, 'temporal.db'),
    logFile: join(folder, 'temporal.log'),
    searchAttributes: searchAttributeTypes,
  });
}

async function environmentOf(
  folder: string,
  options: { momentsUrl: string; effectsFile: string; modelUrl: string },
): Promise<Record<string, string>> {
  const { momentsUrl, effectsFile, modelUrl } = options;
  const server = (name: string) => ({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', effectsServer, name],
    env: { EFFECTS_FILE: effectsFile, MOMENTS_URL: momentsUrl },
  });
  const asking = { ...server('asking'), turngate: { elicits: true, asksFirst: true } };
  const servers = { effects: server('effects'), asking };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: servers }));
  writeFileSync(join(folder, 'default.yaml'), 'name: default\ninstructions: Be brief.\nmodel: faults\n');
  writeFileSync(join(folder, 'policy.yaml'), faultsPolicy);
  const bundle = process.env.TURNGATE_TEST_BUNDLE ?? join(folder, 'workflows.js');
  if (process.env.TURNGATE_TEST_BUNDLE === undefined) writeFileSync(bundle, await bundleWorkflows());
  return {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    JWT_SECRET: secret,
    OPENAI_API_KEY: 'faults',
    OPENAI_BASE_URL: modelUrl,
    TURNGATE_AGENTS_DIR: folder,
    TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
    TURNGATE_POLICY: join(folder, 'policy.yaml'),
    TURNGATE_WORKFLOW_BUNDLE: bundle,
    CONNECTIONS_PER_USER: '0',
    CONNECTIONS_PER_ADDRESS: '0',
    HTTP_REQUESTS_PER_SECOND: '10000',
    DRAIN_NOTICE_MS: '0',
    // Shorter than people think, so that some calls are let go and some are not.
    ELICITATION_HOLD_MS: '1000',
  };
}

function roleSpec(folder: string, role: string, command: string, env: Record<string, string>): ChildSpec {
  return {
    role,
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', join(repository, 'src/cli/main.ts'), command],
    env,
    cwd: repository,
    logFile: join(folder, `${role}.log`),
    ipc: true,
    stopSignals: ['SIGTERM'],
    hint: '',
  };
}

/** A shell that outlives this process if it is killed, and ends whatever runs then. Answers what calls it off. */
function keepWatch(folder: string): () => void {
  const pids = join(folder, 'pids');
  mkdirSync(pids);
  const script =
    'read line; [ "$line" = done ] && exit 0; for pid in $(cat "$0"/*); do kill -KILL -$pid; done 2>/dev/null';
  const keeper = spawn('sh', ['-c', script, pids], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  keeper.unref();
  return () => void keeper.stdin.end('done\n');
}
