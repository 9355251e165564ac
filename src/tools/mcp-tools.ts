import { dirname, resolve } from 'node:path';
import { errorText } from './error-text.ts';
import type { ToolLog } from './log.ts';
import { callServer } from './mcp-call.ts';
import { type McpServers, readMcpConfig } from './mcp-config.ts';
import { createMcpConnection } from './mcp-connection.ts';
import type { ToolDescriptor, ToolPort } from './port.ts';

export interface McpToolsOptions {
  /** A file in the usual `mcpServers` form; or give `servers`. */
  configFile?: string;
  servers?: McpServers;
  /** Where servers are started. Default: the folder of the configuration file. */
  cwd?: string;
  /** What `${NAME}` in the configuration refers to. Default: the process's environment. */
  env?: NodeJS.ProcessEnv;
  logger: ToolLog;
  /** How long a tool call may take. */
  timeoutMs: number;
  /** How long a server may take to start. */
  connectTimeoutMs?: number;
  /** How long `list` waits for servers; one that starts more slowly is in a later list. */
  listWaitMs?: number;
  /** Longest text of a result, in characters. */
  maxResultChars?: number;
}

/**
 * The tools of MCP servers that run as children and speak over stdio. Servers start when first needed and
 * again after they died; `close` ends them.
 * @throws Error when the configuration cannot be read
 */
export function createMcpTools(options: McpToolsOptions): ToolPort {
  const { configFile, logger: log } = options;
  const servers = options.servers ?? (configFile === undefined ? {} : readMcpConfig(configFile));
  const connectionOptions = {
    cwd: options.cwd ?? (configFile === undefined ? process.cwd() : dirname(resolve(configFile))),
    env: options.env ?? process.env,
    log,
    connectTimeoutMs: options.connectTimeoutMs ?? 30_000,
  };
  const listWaitMs = options.listWaitMs ?? 5_000;
  const connections = new Map(
    Object.entries(servers).map(([name, server]) => [
      name,
      createMcpConnection(name, server, connectionOptions),
    ]),
  );

  async function toolsOf(name: string, tools: Promise<ToolDescriptor[]>): Promise<ToolDescriptor[]> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`The MCP server "${name}" did not answer within ${listWaitMs} ms.`)),
      listWaitMs,
    );
    try {
      return await Promise.race([tools, late.promise]);
    } catch (error) {
      log.warn({ server: name, error: errorText(error) }, 'MCP server has no tools to offer now');
      return [];
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async list() {
      const lists = [...connections].map(([name, connection]) => toolsOf(name, connection.tools()));
      return (await Promise.all(lists)).flat();
    },
    async describe(tool, { fresh }) {
      const tools = await connections.get(tool.split('.', 1)[0] ?? '')?.tools(fresh);
      return tools?.find((known) => known.name === tool);
    },
    call(request) {
      return callServer(connections.get(request.tool.split('.', 1)[0] ?? ''), request, {
        timeoutMs: options.timeoutMs,
        maxResultChars: options.maxResultChars ?? 256 * 1024,
      });
    },
    async close() {
      await Promise.all([...connections.values()].map((connection) => connection.close()));
    },
  };
}
