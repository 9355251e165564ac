import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { createMcpTools, type McpToolsOptions } from '../../src/tools/mcp-tools.ts';
import type { ToolCallRequest, ToolPort } from '../../src/tools/port.ts';

/** A folder for each test and tool ports over test-mcp.ts, closed after it. */
export const testServer = resolve('test/helpers/test-mcp.ts');
export const logged: { level: string; fields: object; message: string }[] = [];
export const logger = {
  debug: (fields: object, message: string) => void logged.push({ level: 'debug', fields, message }),
  warn: (fields: object, message: string) => void logged.push({ level: 'warn', fields, message }),
};

export let dir = '';
let tools: ToolPort | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'turngate-mcp-'));
  logged.length = 0;
});
afterEach(async () => {
  await tools?.close();
  await rm(dir, { recursive: true, force: true });
});

export function start(options: Partial<McpToolsOptions> = {}): ToolPort {
  const server = { command: 'node', args: [testServer], env: { EFFECTS_FILE: join(dir, 'effects') } };
  tools = createMcpTools({
    ...(options.configFile === undefined ? { servers: { test: server } } : {}),
    logger,
    timeoutMs: 20_000,
    // On a loaded machine a server may take seconds to start.
    listWaitMs: 20_000,
    ...options,
  });
  return tools;
}

export function call(
  port: ToolPort,
  tool: string,
  args: Record<string, unknown> = {},
  more: Partial<ToolCallRequest> = {},
) {
  const signal = new AbortController().signal;
  return port.call({
    tool,
    arguments: args,
    toolHash: null,
    toolCallId: 'call-1',
    signal,
    onProgress: () => undefined,
    ...more,
  });
}

export async function effects(): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(dir, 'effects'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

export async function until<T>(
  what: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<NonNullable<Awaited<T>>> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await what();
    if (value) return value;
    if (Date.now() > end) throw new Error('The condition did not come true in time.');
    await new Promise((done) => setTimeout(done, 20));
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function environmentOf(port: ToolPort): Promise<Record<string, string>> {
  return JSON.parse((await call(port, 'test.environment')).text);
}

/** Runs an effect only to learn the process id of the server. */
export async function pidOf(port: ToolPort): Promise<number> {
  await call(port, 'test.effect', { text: 'who' });
  return Number((await effects()).at(-1)?.pid);
}
