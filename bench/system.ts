import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import {
  type Child,
  type ChildSpec,
  describeExit,
  startChild,
  stopChild,
  untilReady,
} from '../src/cli/dev/child.ts';
import type { DevInfo } from '../src/cli/dev/dev-file.ts';
import { pollUntil } from '../src/cli/dev/poll.ts';
import { findTemporal } from '../src/cli/dev/temporal-binary.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const repository = here('../');
const readyBoundMs = 90_000;
const stopBoundMs = 8_000;
const pollMs = 50;
/** More than any part has turns at once. */
const stepSlots = '1200';
export const referenceQueue = 'bench-reference';

/** The product as `turngate dev` starts it, the bench's model and the bare reference: every one a process. */
export interface System {
  dev: DevInfo;
  temporal: Client;
  /** Runs a process of the bench to its end. */
  runProcess(name: string, env: Record<string, string>, boundMs: number): Promise<void>;
  /** Starts a process of the bench that goes on until it is stopped. */
  startProcess(name: string, env: Record<string, string>): Promise<BenchProcess>;
}

export interface BenchProcess {
  pid: number;
  /** What it said when it was ready. */
  ready(boundMs: number): Promise<Record<string, unknown>>;
  /** Answers its exit code. */
  stop(): Promise<number | null>;
}

/** Starts processes of the bench and knows them all, so that it can stop them all. */
export class SystemStarter {
  readonly #folder = mkdtempSync(join(tmpdir(), 'turngate-bench-'));
  readonly #children: Child[] = [];
  #stopping = false;

  /** @param signal aborts the search for Temporal, which may take minutes the first time */
  async start(say: (line: string) => void, signal: AbortSignal): Promise<System> {
    // Postgres never runs as root, and its own user has to pass this folder.
    chmodSync(this.#folder, 0o755);
    await findTemporal(process.env, say, signal);
    const model = await this.#start(this.#process('bench-model', {}));
    const { url } = await untilReady(model, () => model.readyMessage, readyBoundMs);
    const dev = await this.#startDev(String(url));
    const reference = await this.#start(
      this.#process('reference-worker', {
        TEMPORAL_ADDRESS: dev.temporal_address,
        BENCH_TASK_QUEUE: referenceQueue,
      }),
    );
    await untilReady(reference, () => reference.readyMessage, readyBoundMs);
    // Never closed: a call may be under way at the stop, would then throw where nobody hears it, and the process ends.
    const connection = await Connection.connect({ address: dev.temporal_address });
    return {
      dev,
      temporal: new Client({ connection }),
      runProcess: async (name, env, boundMs) => {
        const child = await this.#start(this.#process(name, { DATABASE_URL: dev.database_url, ...env }));
        const exit = await Promise.race([child.exited, delay(boundMs, null, { ref: false })]);
        if (exit?.code !== 0) {
          const how = exit === null ? `not over after ${boundMs} ms` : describeExit(exit);
          throw new Error(`The bench's process ${name} failed: ${how}.`);
        }
      },
      startProcess: async (name, env) => {
        const child = await this.#start(this.#process(name, { DATABASE_URL: dev.database_url, ...env }));
        return {
          pid: child.pid,
          ready: (boundMs) => untilReady(child, () => child.readyMessage, boundMs),
          stop: async () => {
            await stopChild(child, stopBoundMs);
            return (await child.exited).code;
          },
        };
      },
    };
  }

  /** Ends every process, the last started first, and removes what they wrote. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const child of this.#children.toReversed()) await stopChild(child, stopBoundMs);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  async #start(spec: ChildSpec): Promise<Child> {
    if (this.#stopping) throw new Error('The bench is stopping.');
    const child = await startChild(spec);
    this.#children.push(child);
    // It was asked to stop while this process was on its way.
    if (this.#stopping) await stopChild(child, stopBoundMs);
    return child;
  }

  async #startDev(modelUrl: string): Promise<DevInfo> {
    const data = join(this.#folder, 'data');
    const ports = ['--gateway-port', '0', '--temporal-port', '0', '--temporal-ui-port', '0'];
    const places = ['--data', data, '--postgres-data', join(this.#folder, 'postgres')];
    const child = await this.#start({
      ...this.#process('turngate-dev', {
        OPENAI_API_KEY: 'bench',
        OPENAI_BASE_URL: modelUrl,
        TURNGATE_MODEL: 'bench',
        STEP_SLOTS: stepSlots,
        ...this.#ownConfiguration(),
        // Everybody here is one user at one address.
        CONNECTIONS_PER_USER: '0',
        CONNECTIONS_PER_ADDRESS: '0',
      }),
      args: ['--disable-warning=ExperimentalWarning', here('../src/cli/main.ts'), 'dev', ...ports, ...places],
      ipc: false,
    });
    const file = join(data, 'dev.json');
    const isThere = async () => {
      if (!existsSync(file)) throw new Error('turngate dev is not ready yet');
    };
    await untilReady(child, (signal) => pollUntil(isThere, pollMs, signal), readyBoundMs);
    return JSON.parse(readFileSync(file, 'utf8')) as DevInfo;
  }

  /** What `mcp.json` and `agents/default.yaml` have, and the bench's own tool. */
  #ownConfiguration(): Record<string, string> {
    const { mcpServers } = JSON.parse(readFileSync(here('../mcp.json'), 'utf8')) as {
      mcpServers: Record<string, object>;
    };
    const shipped = Object.entries(mcpServers).map(([name, server]) => [
      name,
      { cwd: repository, ...server },
    ]);
    const bench = { command: process.execPath, args: [here('./processes/bench-tool.ts')] };
    const mcpFile = join(this.#folder, 'mcp.json');
    writeFileSync(mcpFile, JSON.stringify({ mcpServers: { ...Object.fromEntries(shipped), bench } }));
    const agent = readFileSync(here('../agents/default.yaml'), 'utf8');
    // Without this line it may use every server.
    writeFileSync(join(this.#folder, 'default.yaml'), agent.replace(/^servers:.*$/m, ''));
    return { TURNGATE_MCP_CONFIG: mcpFile, TURNGATE_AGENTS_DIR: this.#folder };
  }

  #process(name: string, env: Record<string, string>): ChildSpec {
    return {
      role: name,
      command: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', here(`./processes/${name}.ts`)],
      env: { ...cleanEnvironment(), ...env },
      cwd: repository,
      logFile: join(this.#folder, 'logs', `${name}.log`),
      ipc: true,
      stopSignals: ['SIGTERM'],
      hint: 'Nothing is left running.',
    };
  }
}

/** Without the settings of the person who runs it, which would change what is measured. */
function cleanEnvironment(): Record<string, string> {
  const kept = [
    'PATH',
    'HOME',
    'TMPDIR',
    'TURNGATE_CACHE_DIR',
    'XDG_CACHE_HOME',
    'TURNGATE_WORKFLOW_BUNDLE',
    'NODE_OPTIONS',
  ];
  return Object.fromEntries(
    kept.flatMap((name) => {
      const value = process.env[name];
      return value === undefined || value === '' ? [] : [[name, value]];
    }),
  );
}
