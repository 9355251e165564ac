import { setTimeout as delay } from 'node:timers/promises';
import { toolHash } from '../gate/hashes.ts';
import { errorText } from '../protocol/error-text.ts';
import type { McpServer } from './mcp-config.ts';
import { type ConnectionOptions, Link } from './mcp-link.ts';
import { describeMs, ToolListing } from './mcp-tool-list.ts';
import type { ToolDescriptor } from './port.ts';

const firstBackoffMs = 1_000;
const maxBackoffMs = 60_000;
/** A server that rests for longer is not waited for by a call. */
const patienceMs = 5_000;
/** One that ran for so long is in order again. */
const soundMs = 60_000;
/** How long a server may take to be gone, after all steps of closing it. */
const goneMs = 6_000;
const faultsLogged = 5;

/** The use of a connection by one call. To be given back once. */
export interface Lease {
  link: Link;
  /** @param spoilt nobody else is to use this link */
  release(spoilt?: boolean): void;
}

/** One configured server: started when first needed, kept while used, started again after it died. */
export interface McpConnection {
  /** @throws Error with a sentence that says why the server cannot be reached */
  lease(): Promise<Lease>;
  /** The server's tools, cached until it says that they changed. A server that failed lately is left in peace. */
  tools(): Promise<ToolDescriptor[]>;
  /** One tool, asked of the server now; all who ask at the same time share the request. */
  find(tool: string): Promise<ToolDescriptor | undefined>;
  forgetTools(): void;
  close(): Promise<void>;
}

/** What belongs to one start of the server, and ends with it. */
interface Start {
  link: Link;
  ready: Promise<void>;
  readyAt: number;
  users: number;
  retired: boolean;
  idle: NodeJS.Timeout | undefined;
  tools: Promise<ToolDescriptor[]> | undefined;
  fresh: ToolListing | undefined;
}

/** @param onToolsChanged the server says so */
export function createMcpConnection(
  name: string,
  server: McpServer,
  options: ConnectionOptions,
  onToolsChanged: () => void,
): McpConnection {
  const { log } = options;
  let current: Start | undefined;
  /** Of every link that was opened, also of those that failed; resolved when it is gone. */
  const running = new Set<Promise<void>>();
  let failures = 0;
  let restUntil = 0;
  let closing = false;

  function begin(): Start {
    if (closing) throw new Error(`The MCP server "${name}" is being stopped.`);
    if (current !== undefined) return current;
    const hooks = { onGone: () => wentAway(start), onToolsChanged, onDeaf: () => retire(start) };
    const start: Start = {
      link: new Link(name, server, options, hooks),
      ready: Promise.resolve().then(() => open(start)),
      readyAt: 0,
      users: 0,
      retired: false,
      idle: undefined,
      tools: undefined,
      fresh: undefined,
    };
    start.ready.catch(() => forget(start));
    current = start;
    return start;
  }

  function forget(start: Start): void {
    clearTimeout(start.idle);
    if (current === start) current = undefined;
  }

  async function open(start: Start): Promise<void> {
    const restMs = restUntil - Date.now();
    if (restMs > patienceMs) throw new Error(restingFault(restMs));
    if (restMs > 0) await delay(restMs);
    if (closing) throw new Error(`The MCP server "${name}" is being stopped.`);
    const { link } = start;
    running.add(link.gone);
    void link.gone.then(() => running.delete(link.gone));
    try {
      await link.open();
      start.readyAt = Date.now();
    } catch (error) {
      failures += 1;
      rest(failures);
      throw error;
    }
  }

  function wentAway(start: Start): void {
    forget(start);
    const wasInUse = start.readyAt > 0 && !start.retired && !closing;
    if (!wasInUse) return;
    log.warn(
      { server: name, fault: start.link.fault, stderr: start.link.lastLines() },
      'MCP server went away',
    );
    failures = Date.now() - start.readyAt > soundMs ? 1 : failures + 1;
    // After the first time it is started again at once.
    rest(failures - 1);
  }

  function rest(times: number): void {
    restUntil = times === 0 ? 0 : Date.now() + Math.min(firstBackoffMs * 2 ** (times - 1), maxBackoffMs);
  }

  function restingFault(restMs: number): string {
    return `The MCP server "${name}" failed ${failures} times; it is tried again in ${Math.ceil(restMs / 1_000)} s.`;
  }

  async function lease(): Promise<Lease> {
    const start = begin();
    start.users += 1;
    clearTimeout(start.idle);
    let given = false;
    const release = (spoilt = false) => {
      if (given) return;
      given = true;
      start.users -= 1;
      if (spoilt) retire(start);
      else if (start.users === 0) rested(start);
    };
    try {
      await start.ready;
    } catch (error) {
      release();
      throw error;
    }
    return { link: start.link, release };
  }

  function rested(start: Start): void {
    if (start.retired) void start.link.close();
    else start.idle = setTimeout(() => retire(start), server.turngate.idleMs).unref();
  }

  /** No new use; it ends when the last one ends. */
  function retire(start: Start): void {
    start.retired = true;
    forget(start);
    if (start.users === 0) void start.link.close();
  }

  async function list(start: Start): Promise<ToolDescriptor[]> {
    const listing = new ToolListing(name, start.link.client, options.connectTimeoutMs);
    const tools = await listing.all();
    const { faults } = listing;
    if (faults.size > 0) {
      const some = Object.fromEntries([...faults].slice(0, faultsLogged));
      log.warn({ server: name, count: faults.size, some }, 'tools of an MCP server are left out');
    }
    return tools;
  }

  async function withStart<T>(use: (start: Start) => Promise<T>): Promise<T> {
    const restMs = restUntil - Date.now();
    if (current === undefined && restMs > 0) throw new Error(restingFault(restMs));
    const held = await lease();
    try {
      const start = current;
      if (start?.link !== held.link) throw new Error(`The MCP server "${name}" stopped.`);
      return await use(start);
    } finally {
      held.release();
    }
  }

  return {
    lease,
    tools: () =>
      withStart(async (start) => {
        start.tools ??= list(start);
        const { tools } = start;
        try {
          return await tools;
        } catch (error) {
          if (start.tools === tools) start.tools = undefined;
          throw new Error(
            `The MCP server "${name}" does not say its tools: ${start.link.hide(errorText(error))}`,
            {
              cause: error,
            },
          );
        }
      }),
    find: (tool) =>
      withStart(async (start) => {
        if (start.fresh === undefined || start.fresh.begun) {
          start.fresh = new ToolListing(name, start.link.client, describeMs);
        }
        const found = await start.fresh.find(tool);
        if (found !== undefined) start.link.told.set(tool, toolHash(found));
        const known = (await start.tools?.catch(() => undefined))?.find((one) => one.name === tool);
        // It did not say that anything changed.
        if (JSON.stringify(known) !== JSON.stringify(found)) start.tools = undefined;
        return found;
      }),
    forgetTools() {
      if (current !== undefined) current.tools = undefined;
    },
    async close() {
      closing = true;
      await current?.link.close();
      const gone = Promise.all(running).then(() => true);
      if (!(await Promise.race([gone, delay(goneMs, false, { ref: false })]))) {
        log.warn({ server: name }, 'MCP server did not end');
      }
    },
  };
}
