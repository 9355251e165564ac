import { join, resolve } from 'node:path';
import { expect } from '@jest/globals';
import type { McpServers } from '../../src/tools/mcp-config.ts';
import type { McpToolsOptions } from '../../src/tools/mcp-tools.ts';
import type { ToolOutcome, ToolPort } from '../../src/tools/port.ts';
import { call, dir, logged, start, testServer } from './mcp-ports.ts';

/** A hostile server of test/mcp-servers, named `hostile`, beside the ordinary one. */
export function startBeside(
  file: string,
  options: {
    env?: Record<string, string>;
    turngate?: McpServers[string]['turngate'];
  } & Partial<McpToolsOptions> = {},
): ToolPort {
  const { env = {}, turngate, ...more } = options;
  const hostile = {
    command: 'node',
    args: [resolve('test/mcp-servers', file)],
    env,
    ...(turngate ? { turngate } : {}),
  };
  return start({ servers: { hostile, test: ordinary() }, ...more });
}

export const ordinary = () => ({
  command: 'node',
  args: [testServer],
  env: { EFFECTS_FILE: join(dir, 'effects') },
});

/** That call failed with `tool_error`, and says so in a sentence of bounded length. */
export function expectToolError(outcome: ToolOutcome, status: 'failed' | 'unknown', words: RegExp): void {
  expect(outcome).toMatchObject({
    status,
    error: { code: 'tool_error', message: expect.stringMatching(words) },
  });
  expect(outcome.text.length).toBeLessThan(2_500);
}

/** Nothing else happened: the other server is listed and called, and the log stayed small. */
export async function expectOthersFine(port: ToolPort): Promise<void> {
  expect(await call(port, 'test.echo', { text: 'still here' })).toMatchObject({
    status: 'completed',
    text: 'still here',
  });
  expect((await port.list()).map((tool) => tool.name)).toContain('test.echo');
  expect(JSON.stringify(logged).length).toBeLessThan(1024 * 1024);
}
