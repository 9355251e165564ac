import { readdirSync } from 'node:fs';
import { environment } from '../../config/config.ts';
import { errorText } from '../../protocol/error-text.ts';
import { type McpConfig, readMcpConfig } from '../../tools/mcp-config.ts';
import { fullToolName } from '../../tools/names.ts';
import type { KnownNames } from '../../tools/policy-warnings.ts';

/** Where the parts of the configuration lie that a policy refers to. */
export interface Surroundings {
  policy: string;
  mcpConfig: string;
  agents: string;
}

const places = environment.pick({
  TURNGATE_POLICY: true,
  TURNGATE_MCP_CONFIG: true,
  TURNGATE_AGENTS_DIR: true,
});

/** Only these settings are read: whoever writes rules need not have a store. */
export function surroundingsOf(env: NodeJS.ProcessEnv): Surroundings {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const { TURNGATE_POLICY, TURNGATE_MCP_CONFIG, TURNGATE_AGENTS_DIR } = places.parse(set);
  return { policy: TURNGATE_POLICY, mcpConfig: TURNGATE_MCP_CONFIG, agents: TURNGATE_AGENTS_DIR };
}

/** The servers and agents that there are; what cannot be read is told, and no name of it is called unknown. */
export function knownNames(at: Surroundings, note: (line: string) => void): KnownNames {
  return {
    servers: known(() => Object.keys(readMcpConfig(at.mcpConfig).mcpServers), 'servers', note),
    agents: known(() => agentsIn(at.agents), 'agents', note),
  };
}

/** None where the file cannot be read, which {@link knownNames} tells. */
export function defaultServerIn(at: Surroundings): string | undefined {
  return configIn(at)?.defaultServer;
}

/** `server.tool` for a name that a person may have written without a server's. */
export function fullNameIn(at: Surroundings, name: string): string {
  const config = configIn(at);
  return fullToolName(name, new Set(Object.keys(config?.mcpServers ?? {})), config?.defaultServer);
}

function configIn(at: Surroundings): McpConfig | undefined {
  try {
    return readMcpConfig(at.mcpConfig);
  } catch {
    return undefined;
  }
}

function known(
  read: () => string[],
  what: string,
  note: (line: string) => void,
): ReadonlySet<string> | undefined {
  try {
    return new Set(read());
  } catch (error) {
    note(`note: the names of ${what} are not checked. ${errorText(error)}`);
    return undefined;
  }
}

function agentsIn(folder: string): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return files.map((name) => name.slice(0, -'.yaml'.length));
}
