import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { errorCode, errorText } from './error-text.ts';

const server = z.object({
  type: z.literal('stdio').optional(),
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: z.record(z.string(), z.string()).default({}),
  cwd: z.string().min(1).optional(),
});
export type McpServer = z.infer<typeof server>;

// No dots: the first dot of `server.tool` ends the server's name.
const serverName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'use letters, digits, "_" and "-", at most 64');
const mcpConfig = z.object({ mcpServers: z.record(serverName, server) });

/** MCP servers by name; `args`, `env` and `cwd` may refer to the environment as `${NAME}` or `${NAME:-default}`. */
export type McpServers = Record<string, McpServer>;

/**
 * Reads the usual `{ "mcpServers": { name: { command, args, env, cwd } } }`.
 * @throws Error with one clear sentence that names the file and what is wrong in it
 */
export function readMcpConfig(file: string): McpServers {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      throw new Error(
        `There is no MCP configuration ${file}. Set TURNGATE_MCP_CONFIG to where it is, or write {"mcpServers": {}} there for an agent without tools.`,
        { cause: error },
      );
    }
    throw new Error(`The MCP configuration ${file} cannot be read: ${errorText(error)}.`, { cause: error });
  }
  const parsed = mcpConfig.safeParse(json);
  if (parsed.success) return parsed.data.mcpServers;
  const faults = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`,
  );
  throw new Error(`The MCP configuration ${file} is not usable: ${faults.join('; ')}.`);
}

/**
 * The server with its references to the environment filled in.
 * @throws Error that names the first variable that is not set and has no default
 */
export function resolveServer(name: string, raw: McpServer, env: NodeJS.ProcessEnv): McpServer {
  const fill = (text: string) =>
    text.replaceAll(
      /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
      (_, variable: string, fallback?: string) => {
        const value = env[variable] || fallback;
        if (value !== undefined) return value;
        throw new Error(
          `The MCP server "${name}" refers to \${${variable}}, which is not set. Set it, or give a default: \${${variable}:-...}.`,
        );
      },
    );
  return {
    ...raw,
    command: fill(raw.command),
    args: raw.args.map(fill),
    env: Object.fromEntries(Object.entries(raw.env).map(([key, value]) => [key, fill(value)])),
    ...(raw.cwd === undefined ? {} : { cwd: fill(raw.cwd) }),
  };
}
