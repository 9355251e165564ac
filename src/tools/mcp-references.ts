import type { McpServer } from './mcp-config.ts';

/** Shorter ones are words like any other; hiding them would garble every message. */
const secretChars = 6;
const hidden = '[hidden]';
const secretName = /auth|cookie|token|secret|passw|credential|key/i;

/** A server with its references to the environment filled in. */
export interface ResolvedServer<Server extends McpServer = McpServer> {
  server: Server;
  /** The text with every value hidden that came from the environment and may be a secret. */
  hide(text: string): string;
}

/** @throws Error that names the first variable that is not set and has no default */
export function resolveServer<Server extends McpServer>(
  name: string,
  raw: Server,
  env: NodeJS.ProcessEnv,
): ResolvedServer<Server> {
  const secrets = new Set<string>();
  const fill = (text: string, mayBeSecret: boolean) =>
    text.replaceAll(
      /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
      (_, variable: string, fallback?: string) => {
        const value = env[variable] || fallback;
        if (value === undefined) {
          throw new Error(
            `The MCP server "${name}" refers to \${${variable}}, which is not set. Set it, or give a default: \${${variable}:-...}.`,
          );
        }
        if ((mayBeSecret || secretName.test(variable)) && value.length >= secretChars) secrets.add(value);
        return value;
      },
    );
  const fillAll = (values: Record<string, string>, mayBeSecret: boolean) =>
    Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, fill(value, mayBeSecret || secretName.test(key))]),
    );
  const server =
    raw.type === 'http'
      ? { ...raw, url: fill(raw.url, false), headers: fillAll(raw.headers, true) }
      : {
          ...raw,
          command: fill(raw.command, false),
          args: raw.args.map((arg) => fill(arg, false)),
          env: fillAll(raw.env, false),
          ...(raw.cwd === undefined ? {} : { cwd: fill(raw.cwd, false) }),
        };
  const longestFirst = [...secrets].sort((one, other) => other.length - one.length);
  return {
    server,
    hide: (text) => longestFirst.reduce((left, secret) => left.replaceAll(secret, hidden), text),
  };
}
