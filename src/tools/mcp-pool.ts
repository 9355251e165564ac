import type { McpServer } from './mcp-config.ts';
import { createMcpConnection, type Lease, type McpConnection } from './mcp-connection.ts';
import type { ConnectionOptions } from './mcp-link.ts';
import type { ToolDescriptor } from './port.ts';

/** The connections to one configured server. */
export interface McpPool {
  readonly settings: McpServer['turngate'];
  /** @throws Error that says why the server cannot be reached; the signal's reason when no connection was free in time */
  lease(signal: AbortSignal): Promise<Lease>;
  tools(): Promise<ToolDescriptor[]>;
  find(tool: string): Promise<ToolDescriptor | undefined>;
  close(): Promise<void>;
}

/**
 * One connection for all calls; or, of a server that asks people, several that run one call each, because the protocol
 * does not say which call a question belongs to.
 */
export function createMcpPool(name: string, server: McpServer, options: ConnectionOptions): McpPool {
  const settings = server.turngate;
  const count = settings.elicits ? settings.connections : 1;
  const forget = () => first.forgetTools();
  const connections = Array.from({ length: count }, () => createMcpConnection(name, server, options, forget));
  const [first] = connections as [McpConnection, ...McpConnection[]];
  const turns = new Turns(connections);

  async function leaseAlone(signal: AbortSignal): Promise<Lease> {
    const connection = await turns.take(signal);
    try {
      const { link, release } = await connection.lease();
      return {
        link,
        release(spoilt) {
          release(spoilt);
          turns.giveBack(connection);
        },
      };
    } catch (error) {
      turns.giveBack(connection);
      throw error;
    }
  }

  return {
    settings,
    lease: settings.elicits ? leaseAlone : () => first.lease(),
    tools: () => first.tools(),
    find: (tool) => first.find(tool),
    async close() {
      await Promise.all(connections.map((connection) => connection.close()));
    },
  };
}

/** Whose turn it is to use a connection; the one used last is given first, so that the others may go idle. */
class Turns {
  readonly #free: McpConnection[];
  readonly #waiting = new Set<(connection: McpConnection) => void>();

  constructor(connections: McpConnection[]) {
    this.#free = connections.toReversed();
  }

  async take(signal: AbortSignal): Promise<McpConnection> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const mine = Promise.withResolvers<McpConnection>();
    const onAbort = () => {
      this.#waiting.delete(mine.resolve);
      mine.reject(new Error('All connections to this MCP server are in use, by calls that wait for people.'));
    };
    this.#waiting.add(mine.resolve);
    signal.addEventListener('abort', onAbort);
    try {
      return await mine.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  giveBack(connection: McpConnection): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free.push(connection);
      return;
    }
    this.#waiting.delete(next);
    next(connection);
  }
}
