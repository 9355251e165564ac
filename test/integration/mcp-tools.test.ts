import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createMcpTools, type McpToolsOptions } from '../../src/tools/mcp-tools.ts';
import type { ToolCallRequest, ToolPort } from '../../src/tools/port.ts';

const testServer = resolve('test/helpers/test-mcp.ts');
const logged: { level: string; fields: object; message: string }[] = [];
const logger = {
  debug: (fields: object, message: string) => void logged.push({ level: 'debug', fields, message }),
  warn: (fields: object, message: string) => void logged.push({ level: 'warn', fields, message }),
};

let dir = '';
let tools: ToolPort | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'turngate-mcp-'));
  logged.length = 0;
});
afterEach(async () => {
  await tools?.close();
  await rm(dir, { recursive: true, force: true });
});

function start(options: Partial<McpToolsOptions> = {}): ToolPort {
  const server = { command: 'node', args: [testServer], env: { EFFECTS_FILE: join(dir, 'effects') } };
  tools = createMcpTools({ servers: { test: server }, logger, timeoutMs: 20_000, ...options });
  return tools;
}

function call(
  port: ToolPort,
  tool: string,
  args: Record<string, unknown> = {},
  more: Partial<ToolCallRequest> = {},
) {
  const signal = new AbortController().signal;
  return port.call({
    tool,
    arguments: args,
    toolCallId: 'call-1',
    signal,
    onProgress: () => undefined,
    ...more,
  });
}

async function effects(): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(dir, 'effects'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

async function until<T>(what: () => T | Promise<T>, deadlineMs = 10_000): Promise<NonNullable<Awaited<T>>> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await what();
    if (value) return value;
    if (Date.now() > end) throw new Error('The condition did not come true in time.');
    await new Promise((done) => setTimeout(done, 20));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function environmentOf(port: ToolPort): Promise<Record<string, string>> {
  return JSON.parse((await call(port, 'test.environment')).text);
}

/** Runs an effect only to learn the process id of the server. */
async function pidOf(port: ToolPort): Promise<number> {
  await call(port, 'test.effect', { text: 'who' });
  return Number((await effects()).at(-1)?.pid);
}

describe('list', () => {
  test('names the tools of every server with their schemas and hints', async () => {
    const list = await start().list();
    expect(list.find((tool) => tool.name === 'test.echo')).toMatchObject({
      server: 'test',
      description: 'Says it again.',
      readOnlyHint: true,
      idempotentHint: false,
      inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
    });
    expect(list.find((tool) => tool.name === 'test.effect_idempotent')).toMatchObject({
      readOnlyHint: false,
      idempotentHint: true,
    });
  });

  test('leaves out a server that is down and says so in the log', async () => {
    const port = start({
      servers: {
        test: { command: 'node', args: [testServer], env: {} },
        absent: { command: join(dir, 'no-such-program'), args: [], env: {} },
        broken: { command: 'node', args: ['-e', 'console.error("no luck"); process.exit(1)'], env: {} },
      },
    });
    const servers = new Set((await port.list()).map((tool) => tool.server));
    expect(servers).toEqual(new Set(['test']));
    const warnings = JSON.stringify(logged.filter((line) => line.level === 'warn'));
    expect(warnings).toContain('absent');
    expect(warnings).toContain('no luck');
  });

  test('does not wait for a server that is slow to start, and has its tools later', async () => {
    const late = `setTimeout(() => import(${JSON.stringify(testServer)}), 400)`;
    const port = start({
      servers: { late: { command: 'node', args: ['-e', late], env: {} } },
      listWaitMs: 50,
    });
    expect(await port.list()).toEqual([]);
    await until(async () => (await port.list()).length > 0);
  });

  test('is fetched again when the server says that it changed', async () => {
    const port = start();
    expect((await port.list()).map((tool) => tool.name)).not.toContain('test.learned');
    await call(port, 'test.learn');
    await until(async () => (await port.list()).some((tool) => tool.name === 'test.learned'));
  });
});

describe('call', () => {
  test('answers the text and the result, and gives on the progress', async () => {
    const seen: unknown[] = [];
    const outcome = await call(
      start(),
      'test.slow',
      { seconds: 0.4 },
      { onProgress: (step) => seen.push(step) },
    );
    expect(outcome).toEqual({
      status: 'completed',
      text: 'waited 0.4 s',
      result: { content: [{ type: 'text', text: 'waited 0.4 s' }] },
    });
    expect(seen).toContainEqual({ progress: 1, total: 2, message: '1 of 2' });
  });

  test('sends our id of the call as the idempotency key', async () => {
    await call(start(), 'test.effect', { text: 'once' }, { toolCallId: 'call-7' });
    expect(await effects()).toMatchObject([{ text: 'once', tool_call_id: 'call-7' }]);
  });

  test('a tool that fails is failed, with its words', async () => {
    expect(await call(start(), 'test.fail', { message: 'no ink' })).toMatchObject({
      status: 'failed',
      text: 'no ink',
      error: { code: 'tool_error', message: 'no ink' },
    });
  });

  test('arguments that the tool refuses are failed, with the reason', async () => {
    const outcome = await call(start(), 'test.echo', { text: 5 });
    expect(outcome.status).toBe('failed');
    expect(outcome.text).toContain('text');
  });

  test('a refusal by the server itself is failed, even with the code of a closed connection', async () => {
    expect(await call(start(), 'test.refuse')).toMatchObject({
      status: 'failed',
      error: { code: 'tool_error', message: 'test.refuse refused the call: not today' },
    });
  });

  test('an unknown server and one that does not start are failed: nothing was sent', async () => {
    const port = start({ servers: { absent: { command: join(dir, 'no-such'), args: [], env: {} } } });
    expect(await call(port, 'nobody.x')).toMatchObject({ status: 'failed', error: { code: 'not_found' } });
    expect(await call(port, 'absent.x')).toMatchObject({ status: 'failed', error: { code: 'unavailable' } });
  });

  test('a server that dies before it answers leaves the outcome unknown, and is started again', async () => {
    const port = start();
    expect(await call(port, 'test.crash')).toMatchObject({
      status: 'unknown',
      error: { code: 'tool_error' },
    });
    expect(await call(port, 'test.echo', { text: 'back' })).toMatchObject({
      status: 'completed',
      text: 'back',
    });
  });

  test('a server killed from outside: unknown for the call under way, completed for the next', async () => {
    const port = start();
    const pid = await pidOf(port);
    const pending = call(port, 'test.effect', { text: 'under way', wait_ms: 60_000 });
    await until(async () => (await effects()).length === 2);
    process.kill(pid, 'SIGKILL');
    expect((await pending).status).toBe('unknown');
    expect((await call(port, 'test.echo', { text: 'on' })).status).toBe('completed');
  });

  test('no answer in time is unknown', async () => {
    const port = start({ timeoutMs: 1_500 });
    await port.list();
    const outcome = await call(port, 'test.effect', { text: 'late', wait_ms: 60_000 });
    expect(outcome).toMatchObject({ status: 'unknown' });
    expect(outcome.text).toContain('within 1500 ms');
    expect(await effects()).toHaveLength(1);
  });

  test('an abort rejects with its reason and reaches the server', async () => {
    const port = start();
    const controller = new AbortController();
    const steps: number[] = [];
    const pending = call(
      port,
      'test.slow',
      { seconds: 60 },
      {
        signal: controller.signal,
        onProgress: ({ progress }) => steps.push(progress),
      },
    );
    const outcome = pending.then(
      () => 'answered',
      (reason) => reason,
    );
    await until(() => steps.length > 0);
    const reason = new Error('the user left');
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    const before = steps.length;
    await call(port, 'test.slow', { seconds: 0.6 });
    expect(steps).toHaveLength(before);
  });

  test('an abort beforehand sends nothing', async () => {
    const aborted = AbortSignal.abort(new Error('too late'));
    await expect(call(start(), 'test.effect', { text: 'x' }, { signal: aborted })).rejects.toThrow(
      'too late',
    );
    expect(await effects()).toEqual([]);
  });

  test('a long result is cut and says so', async () => {
    const outcome = await call(start({ maxResultChars: 1_000 }), 'test.big', { chars: 5_000 });
    expect(outcome).toMatchObject({ status: 'completed', result: { cut: true } });
    expect(outcome.text.length).toBeLessThan(1_100);
    expect(outcome.text).toContain('[cut here: the result has 5000 characters, 1000 are shown]');
  });
});

describe('the children', () => {
  test('see only the environment that the configuration names, and what is needed to start', async () => {
    const server = {
      command: 'node',
      args: [testServer],
      env: { WHO: `\${NAME_OF_WHO} and \${UNSET:-a default}` },
    };
    const env = { PATH: process.env.PATH, SECRET: 's3cret', NAME_OF_WHO: 'me' };
    const seen = await environmentOf(start({ servers: { test: server }, env }));
    expect(seen.WHO).toBe('me and a default');
    const known = ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER', 'WHO'];
    expect(Object.keys(seen).filter((name) => !known.includes(name))).toEqual([]);
  });

  test('a variable that is not set is named', async () => {
    const server = { command: 'node', args: [`\${NOWHERE}/x`], env: {} };
    const outcome = await call(start({ servers: { test: server }, env: {} }), 'test.x');
    expect(outcome).toMatchObject({ status: 'failed' });
    expect(outcome.text).toMatch(/refers to \$\{NOWHERE\}, which is not set/);
  });

  test('write to stderr into the log at debug', async () => {
    await start().list();
    await until(() => logged.some((line) => JSON.stringify(line.fields).includes('test-mcp is ready')));
  });

  test('are gone after close, and what was under way is unknown', async () => {
    const port = start();
    const pid = await pidOf(port);
    const pending = call(port, 'test.effect', { text: 'under way', wait_ms: 60_000 });
    await until(async () => (await effects()).length === 2);
    await port.close();
    expect(isAlive(pid)).toBe(false);
    expect((await pending).status).toBe('unknown');
    expect(await call(port, 'test.echo', { text: 'x' })).toMatchObject({ status: 'failed' });
  });

  test('are gone after close even if they are just starting', async () => {
    const pidFile = join(dir, 'pid');
    const script = `require('fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); process.stdin.resume()`;
    const port = start({
      servers: { mute: { command: 'node', args: ['-e', script], env: {} } },
      listWaitMs: 10,
    });
    await port.list();
    const pid = Number(await until(() => readFile(pidFile, 'utf8').catch(() => '')));
    await port.close();
    expect(isAlive(pid)).toBe(false);
  });
});

describe('the configuration file', () => {
  test('is read in the usual form, and its folder is where servers start', async () => {
    await writeFile(join(dir, 'server.mjs'), `await import(${JSON.stringify(testServer)});`);
    const config = { mcpServers: { mine: { command: 'node', args: ['server.mjs'] } } };
    await writeFile(join(dir, 'mcp.json'), JSON.stringify(config));
    tools = createMcpTools({ configFile: join(dir, 'mcp.json'), logger, timeoutMs: 20_000 });
    expect(await call(tools, 'mine.echo', { text: 'hi' })).toMatchObject({ text: 'hi' });
  });

  test.each([
    ['not json', /mcp\.json cannot be read/],
    ['{"servers": {}}', /mcp\.json is not usable: mcpServers/],
    ['{"mcpServers": {"a.b": {"command": "x"}}}', /mcpServers\.a\.b/],
    ['{"mcpServers": {"a": {"url": "http://x"}}}', /mcpServers\.a\.command/],
  ])('is refused with file and field: %s', async (text, message) => {
    await writeFile(join(dir, 'mcp.json'), text);
    expect(() => createMcpTools({ configFile: join(dir, 'mcp.json'), logger, timeoutMs: 1 })).toThrow(
      message,
    );
  });

  test('that is missing is named, with what to do', () => {
    expect(() => createMcpTools({ configFile: join(dir, 'none.json'), logger, timeoutMs: 1 })).toThrow(
      /There is no MCP configuration .*none\.json\. Set TURNGATE_MCP_CONFIG/,
    );
  });
});
