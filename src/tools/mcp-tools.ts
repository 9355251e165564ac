import { dirname, resolve } from 'node:path';
import { errorText } from '../protocol/error-text.ts';
import type { ToolLog } from './log.ts';
import { callServer } from './mcp-call.ts';
import { type McpServers, parseMcpConfig, readMcpConfig } from './mcp-config.ts';
import { createMcpPool } from './mcp-pool.ts';
import { fullToolName } from './names.ts';
import type { ToolDescriptor, ToolPort } from './port.ts';

export interface McpToolsOptions {
  /** A file in the usual `mcpServers` form; or give `servers`. */
  configFile?: string;
  servers?: McpServers;
  /** Of `servers`; a file says it itself. */
  defaultServer?: string;
  /** Where servers are started. Default: the folder of the configuration file. */
  cwd?: string;
  /** What `${NAME}` in the configuration refers to. Default: the process's environment. */
  env?: NodeJS.ProcessEnv;
  logger: ToolLog;
  /** How long a tool call may take, where its server is not configured otherwise. */
  timeoutMs: number;
  /** How long a server may take to start. */
  connectTimeoutMs?: number;
  /** How long `list` waits for servers; one that starts more slowly is in a later list. */
  listWaitMs?: number;
  /** Longest text of a result, in characters. */
  maxResultChars?: number;
}

/**
 * The tools of MCP servers, children that speak over their pipes or servers that speak over HTTP. They are connected
 * to when first needed and again after they died; `close` ends them.
 * @throws Error when the configuration cannot be read
 */
export function createMcpTools(options: McpToolsOptions): ToolPort {
  const { configFile, logger: log } = options;
  const { mcpServers, defaultServer } = configOf(options);
  const connectionOptions = {
    cwd: options.cwd ?? (configFile === undefined ? process.cwd() : dirname(resolve(configFile))),
    env: options.env ?? process.env,
    log,
    connectTimeoutMs: options.connectTimeoutMs ?? 30_000,
  };
  const listWaitMs = options.listWaitMs ?? 5_000;
  const pools = new Map(
    Object.entries(mcpServers).map(([name, server]) => [
      name,
      createMcpPool(name, server, connectionOptions),
    ]),
  );
  const poolOf = (tool: string) => pools.get(tool.split('.', 1)[0] ?? '');

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
    fullName: (name) => fullToolName(name, pools, defaultServer),
    asksFirst: (tool) => poolOf(tool)?.settings.asksFirst ?? false,
    async list() {
      const lists = [...pools].map(([name, pool]) => toolsOf(name, pool.tools()));
      return (await Promise.all(lists)).flat();
    },
    async describe(tool, { fresh }) {
      const pool = poolOf(tool);
      if (fresh) return pool?.find(tool);
      return (await pool?.tools())?.find((known) => known.name === tool);
    },
    call(request) {
      const pool = poolOf(request.tool);
      return callServer(pool, request, {
        timeoutMs: pool?.settings.timeoutMs ?? options.timeoutMs,
        maxResultChars: options.maxResultChars ?? 256 * 1024,
      });
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
    },
  };
}

function configOf({ configFile, servers, defaultServer }: McpToolsOptions) {
  if (servers === undefined && configFile !== undefined) return readMcpConfig(configFile);
  return parseMcpConfig('The configuration of MCP servers', { mcpServers: servers ?? {}, defaultServer });
}
