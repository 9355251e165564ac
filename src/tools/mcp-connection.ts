import { delimiter, dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { errorText } from './error-text.ts';
import type { ToolLog } from './log.ts';
import { type McpServer, resolveServer } from './mcp-config.ts';
import { fetchTools } from './mcp-tool-list.ts';
import type { ToolDescriptor } from './port.ts';
import { readStderrLines } from './stderr-lines.ts';

const firstBackoffMs = 1_000;
const maxBackoffMs = 60_000;
/** How long a child may take to be gone, after the SDK's own steps of closing it. */
const goneMs = 5_000;

export interface ConnectionOptions {
  cwd: string;
  env: NodeJS.ProcessEnv;
  log: ToolLog;
  connectTimeoutMs: number;
}

/** A running server process with an initialised client. */
export interface LiveConnection {
  client: Client;
  /** True from the moment the process or its pipe is gone. */
  closed: boolean;
}

/** One configured server: started when first needed, kept, started again after it died. */
export interface McpConnection {
  /** @throws Error with a sentence that says why the server cannot be reached */
  connect(): Promise<LiveConnection>;
  /** The server's tools, cached until it says that they changed. A server that failed lately is left in peace. */
  /** @param fresh asks the server anew */
  tools(fresh?: boolean): Promise<ToolDescriptor[]>;
  /** Ends the process: its stdin is closed, then SIGTERM after 2 s, then SIGKILL after 2 s more. */
  close(): Promise<void>;
}

/** What belongs to one start of the server, and dies with it. */
interface Start {
  live: LiveConnection;
  ready: Promise<LiveConnection>;
  tools: Promise<ToolDescriptor[]> | undefined;
}

export function createMcpConnection(
  name: string,
  server: McpServer,
  options: ConnectionOptions,
): McpConnection {
  const { log } = options;
  let current: Start | undefined;
  /** Of every process that was started, also of those that failed to initialise; resolved when it is gone. */
  const running = new Set<Promise<void>>();
  let failures = 0;
  let restUntil = 0;
  let closing = false;

  function begin(): Start {
    if (closing) throw new Error(`The MCP server "${name}" is being stopped.`);
    if (current !== undefined) return current;
    const client = new Client({ name: 'turngate', version: '0.1.0' });
    const live = { client, closed: false };
    const start: Start = { live, ready: initialise(live, () => forget(start)), tools: undefined };
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      start.tools = undefined;
    });
    current = start;
    return start;
  }

  function forget(start: Start): void {
    if (current === start) current = undefined;
  }

  async function initialise(live: LiveConnection, onGone: () => void): Promise<LiveConnection> {
    try {
      await spawnAndGreet(live, onGone);
      failures = 0;
      return live;
    } catch (error) {
      live.closed = true;
      onGone();
      restUntil = Date.now() + Math.min(firstBackoffMs * 2 ** failures, maxBackoffMs);
      failures += 1;
      throw error;
    }
  }

  async function spawnAndGreet(live: LiveConnection, onGone: () => void): Promise<void> {
    const { client } = live;
    // Asynchronous from the first line, so that whoever begins has the start in hand before it can fail.
    await Promise.resolve();
    if (closing) throw new Error(`The MCP server "${name}" is being stopped.`);
    const transport = createTransport(resolveServer(name, server, options.env), options);
    const lastLines = readStderrLines(transport.stderr, (line) =>
      log.debug({ server: name, line }, 'MCP server wrote to stderr'),
    );
    const gone = Promise.withResolvers<void>();
    running.add(gone.promise);
    client.onclose = () => {
      if (!closing && !live.closed) log.warn({ server: name, stderr: lastLines() }, 'MCP server went away');
      live.closed = true;
      running.delete(gone.promise);
      gone.resolve();
      onGone();
    };
    // Its text may quote what a tool said: only the part before the quotation.
    client.onerror = (error) =>
      log.debug({ server: name, error: error.message.split(/[{"'[]/, 1)[0] }, 'MCP connection error');
    try {
      await client.connect(transport, { timeout: options.connectTimeoutMs });
    } catch (error) {
      const why = lastLines().at(-1) ?? errorText(error);
      throw new Error(`The MCP server "${name}" could not be started: ${why}`, { cause: error });
    }
  }

  return {
    connect: async () => begin().ready,
    async tools(fresh = false) {
      if (current === undefined && Date.now() < restUntil) {
        throw new Error(`The MCP server "${name}" failed ${failures} times; it is tried again soon.`);
      }
      const start = begin();
      const live = await start.ready;
      if (fresh) start.tools = undefined;
      start.tools ??= fetchTools(name, live.client, options.connectTimeoutMs);
      const tools = start.tools;
      try {
        return await tools;
      } catch (error) {
        if (start.tools === tools) start.tools = undefined;
        throw error;
      }
    },
    async close() {
      closing = true;
      await current?.live.client.close();
      const gone = Promise.all(running).then(() => true);
      if (!(await Promise.race([gone, delay(goneMs, false, { ref: false })]))) {
        log.warn({ server: name }, 'MCP server did not end');
      }
    },
  };
}

function createTransport(server: McpServer, options: ConnectionOptions): StdioClientTransport {
  return new StdioClientTransport({
    command: server.command,
    args: server.args,
    env: { ...startEnvironment(options.env), ...server.env },
    cwd: resolve(options.cwd, server.cwd ?? '.'),
    stderr: 'pipe',
  });
}

/** Enough to find and start a program, and the Node that runs us before any other. */
function startEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const path = [dirname(process.execPath), env.PATH].filter(Boolean).join(delimiter);
  return { PATH: path, ...(env.HOME === undefined ? {} : { HOME: env.HOME }) };
}
