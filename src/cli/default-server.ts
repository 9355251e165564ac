import { existsSync } from 'node:fs';
import { readMcpConfig } from '../tools/mcp-config.ts';

/** The server that a tool's name without a server's means; none where no file says so. @throws Error when the file is not usable */
export function defaultServerOf(mcpConfig: string): string | undefined {
  return existsSync(mcpConfig) ? readMcpConfig(mcpConfig).defaultServer : undefined;
}
