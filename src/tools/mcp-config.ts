import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { errorCode, errorText } from '../protocol/error-text.ts';

const connectionsMax = 32;
const longestMs = 2 ** 31 - 1;

/** What is ours in the file; everything else is as other programs write it. Strict: a misspelt word must not be lost. */
const ours = z.strictObject({
  /** Its tools may ask people in the middle of a call. Then a connection runs one call at a time. */
  elicits: z.boolean().default(false),
  /** It asks before it does anything, so that a call that waits for an answer may be let go and made again. */
  asksFirst: z.boolean().default(false),
  /** How many calls of a server that elicits run at a time. */
  connections: z.number().int().min(1).max(connectionsMax).default(4),
  /** A connection that nobody used for so long is closed. */
  idleMs: z.number().int().min(100).max(longestMs).default(900_000),
  /** How long a call may take, where not as the setting says. */
  timeoutMs: z.number().int().min(1).max(longestMs).optional(),
  /** Its public name may stand for an address of the own network. */
  privateAddress: z.boolean().default(false),
});

const secretName = /authorization|cookie|token|secret|password|passwd|credential|api[-_]?key/i;
/** A value under such a name stands in the environment and is referred to; the file is committed and copied. */
const mayHoldSecrets = z.record(z.string(), z.string()).superRefine((values, context) => {
  for (const [name, value] of Object.entries(values)) {
    if (secretName.test(name) && value !== '' && !/\$\{\w+/.test(value)) {
      const message = `must refer to the environment, like \${NAME}: secrets do not belong in this file`;
      context.addIssue({ code: 'custom', path: [name], message });
    }
  }
});

const stdioServer = z.object({
  type: z.literal('stdio').default('stdio'),
  command: z.string().min(1),
  args: z.array(z.string()).default([]),
  env: mayHoldSecrets.default({}),
  cwd: z.string().min(1).optional(),
  turngate: ours.prefault({}),
});
const httpServer = z.object({
  type: z.literal('http'),
  url: z.string().min(1),
  headers: mayHoldSecrets.default({}),
  turngate: ours.prefault({}),
});
const server = z.unknown().transform((raw, context): McpServer => {
  const isHttp = typeof raw === 'object' && raw !== null && 'type' in raw && raw.type === 'http';
  const parsed = (isHttp ? httpServer : stdioServer).safeParse(raw);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) {
    context.addIssue({ code: 'custom', path: issue.path, message: issue.message });
  }
  return z.NEVER;
});

export type StdioServer = z.infer<typeof stdioServer>;
export type HttpServer = z.infer<typeof httpServer>;
export type McpServer = StdioServer | HttpServer;

// No dots: the first dot of `server.tool` ends the server's name.
const serverName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'use letters, digits, "_" and "-", at most 64');
const mcpConfig = z
  .object({ mcpServers: z.record(serverName, server), defaultServer: z.string().optional() })
  .refine(({ mcpServers, defaultServer }) => defaultServer === undefined || defaultServer in mcpServers, {
    path: ['defaultServer'],
    message: 'is not one of mcpServers',
  });

/** MCP servers by name; strings in them may refer to the environment as `${NAME}` or `${NAME:-default}`. */
export interface McpConfig {
  mcpServers: Record<string, McpServer>;
  /** Whose tools are meant by a name without a server's. */
  defaultServer?: string | undefined;
}

/** Servers as a file has them, before what is left out is filled in. */
export type McpServers = Record<string, z.input<typeof stdioServer> | z.input<typeof httpServer>>;

/**
 * Reads the usual `{ "mcpServers": { name: { command, args, env, cwd } | { type: "http", url, headers } } }`.
 * @throws Error with one clear sentence that names the file and what is wrong in it
 */
export function readMcpConfig(file: string): McpConfig {
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
  return parseMcpConfig(`The MCP configuration ${file}`, json);
}

/** @throws Error with one clear sentence that begins with `what` and names what is wrong */
export function parseMcpConfig(what: string, json: unknown): McpConfig {
  const parsed = mcpConfig.safeParse(json);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`,
  );
  throw new Error(`${what} is not usable: ${faults.join('; ')}.`);
}
