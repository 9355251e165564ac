import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import pino from 'pino';
import { type RunningWorker, startWorker } from '../../src/cli/worker.ts';
import { type Config, readConfig } from '../../src/config/config.ts';
import type { OnBusy } from '../../src/protocol/on-busy.ts';
import type { EventFrame } from '../../src/protocol/server-frames.ts';
import { sessionWorkflowId } from '../../src/protocol/turn-workflow.ts';
import { type Db, openPool } from '../../src/store/db.ts';
import { decide } from '../../src/store/decisions.ts';
import { readEvents } from '../../src/store/events.ts';
import { acceptMessage } from '../../src/store/messages.ts';
import { createSession } from '../../src/store/sessions.ts';
import { createTurnClient, type TurnClient } from '../../src/temporal/turn-client.ts';
import { createTestDatabase, fromSetup } from './database.ts';
import { testPolicy } from './policy.ts';
import { type ScriptedModel, startScriptedModel } from './scripted-model.ts';

/** Temporal, Postgres, a model server and an MCP server, all real; the worker runs in this process. */
export interface TurnHarness {
  db: Db;
  client: Client;
  turns: TurnClient;
  model: ScriptedModel;
  config: Config;
  env: NodeJS.ProcessEnv;
  effects(): { tool: string; text: string; tool_call_id: string; at: number; pid: number }[];
  startWorker(settings?: Record<string, string>): Promise<RunningWorker>;
  /** A worker in a process of its own, to be killed. */
  spawnWorker(settings?: Record<string, string>): ChildProcess;
  session(approvalTimeoutMs?: number): Promise<string>;
  /** A message as the gateway takes it in, with its signals. Answers the turn's id. */
  say(sessionId: string, content: string, onBusy?: OnBusy): Promise<string>;
  decide(sessionId: string, toolCallId: string, approved: boolean, reason?: string): Promise<void>;
  /** Waits for an event that fits. */
  event<T extends EventFrame['type']>(
    sessionId: string,
    type: T,
    fits?: (event: Extract<EventFrame, { type: T }>) => boolean,
  ): Promise<Extract<EventFrame, { type: T }>>;
  events(sessionId: string): Promise<EventFrame[]>;
  runs(sessionId: string): Promise<number>;
  close(): Promise<void>;
}

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const userId = 'alice';
const waitMs = 30_000;
const pollMs = 25;

/** Waits until `look` answers something; fails with `what` after half a minute. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | null | false>,
): Promise<T> {
  const until = Date.now() + waitMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > until) throw new Error(`${what} did not come about within ${waitMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** @param options.servers MCP servers besides the usual one; `env` of each gets the effects file */
export async function openTurnHarness(
  options: { servers?: Record<string, { file: string; turngate: object }> } = {},
): Promise<TurnHarness> {
  Runtime.install({ shutdownSignals: [], logger: new DefaultLogger('ERROR') });
  const folder = mkdtempSync(join(tmpdir(), 'turngate-turn-'));
  const effectsFile = join(folder, 'effects.jsonl');
  writeFileSync(effectsFile, '');
  const database = await createTestDatabase();
  const model = await startScriptedModel();
  const env = settings(folder, effectsFile, database.url, model.url, options.servers ?? {});
  const config = readConfig(env);
  const db = openPool({
    connectionString: database.url,
    max: 5,
    applicationName: 'test',
    onError: () => undefined,
  });
  const connection = await Connection.connect({ address: config.TEMPORAL_ADDRESS });
  const client = new Client({ connection });
  const turns = createTurnClient(client, { taskQueue: config.TEMPORAL_TASK_QUEUE });
  const workers = new Set<RunningWorker>();
  const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });

  const harness: TurnHarness = {
    db,
    client,
    turns,
    model,
    config,
    env,
    effects: () =>
      readFileSync(effectsFile, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    async startWorker(more = {}) {
      const started = await startWorker(readConfig({ ...env, ...more }), { ...env, ...more }, logger);
      started.failed.catch(() => undefined);
      const worker: RunningWorker = {
        failed: started.failed,
        async close() {
          if (workers.delete(worker)) await started.close();
        },
      };
      workers.add(worker);
      return worker;
    },
    spawnWorker: (more = {}) =>
      spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'worker'], {
        env: { ...env, LOG_LEVEL: 'silent', ...more },
        stdio: 'ignore',
      }),
    async session(approvalTimeoutMs) {
      const config = approvalTimeoutMs === undefined ? {} : { approval_timeout_ms: approvalTimeoutMs };
      return (await createSession(db, { tenant: 't', userId, config })).id;
    },
    async say(sessionId, content, onBusy) {
      const message = { sessionId, userId, clientMessageId: randomUUID(), content };
      const accepted = await acceptMessage(db, { ...message, onBusy });
      const { stoppingTurnId } = accepted;
      if (stoppingTurnId !== null) await turns.cancel(sessionId, stoppingTurnId);
      if (accepted.disposition !== 'steered') await turns.wake({ sessionId, userId });
      return accepted.turnId;
    },
    async decide(sessionId, toolCallId, approved, reason) {
      const decided = await decide(db, {
        sessionId,
        toolCallId,
        approved,
        decidedBy: userId,
        via: 'websocket',
        reason,
      });
      if (decided.kind !== 'recorded') throw new Error(`The decision was not taken: ${decided.kind}.`);
      await turns.approval(sessionId, {
        tool_call_id: toolCallId,
        approved,
        decision_id: decided.decisionId,
      });
    },
    event: (sessionId, type, fits = () => true) =>
      eventually(`${type} in ${sessionId}`, async () => {
        const events = await harness.events(sessionId);
        return events.find(
          (event): event is Extract<EventFrame, { type: typeof type }> =>
            event.type === type && fits(event as Extract<EventFrame, { type: typeof type }>),
        );
      }),
    events: async (sessionId) =>
      (await readEvents(db, { sessionId, after: 0, limit: 10_000 })).map(({ frame }) => frame),
    async runs(sessionId) {
      let runs = 0;
      const query = `WorkflowId = '${sessionWorkflowId(sessionId)}'`;
      for await (const _ of client.workflow.list({ query })) runs += 1;
      return runs;
    },
    async close() {
      await Promise.all([...workers].map((worker) => worker.close()));
      await connection.close();
      await model.close();
      await db.end();
      await database.drop();
      rmSync(folder, { recursive: true });
    },
  };
  return harness;
}

function settings(
  folder: string,
  effectsFile: string,
  databaseUrl: string,
  modelUrl: string,
  more: Record<string, { file: string; turngate: object }>,
): NodeJS.ProcessEnv {
  const serverOf = (file: string) => ({
    command: process.execPath,
    args: [fileURLToPath(new URL(file, import.meta.url))],
    env: { EFFECTS_FILE: effectsFile },
  });
  const others = Object.entries(more).map(([name, { file, turngate }]) => [
    name,
    { ...serverOf(file), turngate },
  ]);
  const servers = { test: serverOf('./test-mcp.ts'), ...Object.fromEntries(others) };
  writeFileSync(join(folder, 'mcp.json'), JSON.stringify({ mcpServers: servers }));
  writeFileSync(join(folder, 'default.yaml'), 'name: default\ninstructions: Be brief.\nmodel: test\n');
  writeFileSync(join(folder, 'policy.yaml'), testPolicy);
  return {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: fromSetup('TURNGATE_TEST_TEMPORAL'),
    TEMPORAL_TASK_QUEUE: `test-${randomUUID()}`,
    OPENAI_API_KEY: 'test',
    OPENAI_BASE_URL: modelUrl,
    TURNGATE_AGENTS_DIR: folder,
    TURNGATE_MCP_CONFIG: join(folder, 'mcp.json'),
    TURNGATE_POLICY: join(folder, 'policy.yaml'),
    TURNGATE_WORKFLOW_BUNDLE: fromSetup('TURNGATE_TEST_BUNDLE'),
  };
}
