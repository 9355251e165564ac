import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  call,
  dir,
  effects,
  environmentOf,
  isAlive,
  logged,
  pidOf,
  start,
  testServer,
  until,
} from '../helpers/mcp-ports.ts';

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
    // HOME where we have one.
    expect(Object.keys(seen).sort()).toEqual(['PATH', 'WHO']);
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
    const port = start({ configFile: join(dir, 'mcp.json') });
    expect(await call(port, 'mine.echo', { text: 'hi' })).toMatchObject({ text: 'hi' });
  });

  test.each([
    ['not json', /mcp\.json cannot be read/],
    ['{"servers": {}}', /mcp\.json is not usable: mcpServers/],
    ['{"mcpServers": {"a.b": {"command": "x"}}}', /mcpServers\.a\.b/],
    ['{"mcpServers": {"a": {"url": "http://x"}}}', /mcpServers\.a\.command/],
    ['{"mcpServers": {"a": {"type": "http"}}}', /mcpServers\.a\.url/],
    [
      '{"mcpServers": {"a": {"command": "x", "turngate": {"elicit": true}}}}',
      /mcpServers\.a\.turngate: .*elicit/,
    ],
    ['{"mcpServers": {}, "defaultServer": "b"}', /defaultServer: is not one of mcpServers/],
    [
      '{"mcpServers": {"a": {"type": "http", "url": "http://x", "headers": {"Authorization": "Bearer abc"}}}}',
      /headers\.Authorization: must refer to the environment/,
    ],
    [
      '{"mcpServers": {"a": {"command": "x", "env": {"API_KEY": "abc"}}}}',
      /env\.API_KEY: must refer to the env/,
    ],
  ])('is refused with file and field: %s', async (text, message) => {
    await writeFile(join(dir, 'mcp.json'), text);
    expect(() => start({ configFile: join(dir, 'mcp.json') })).toThrow(message);
  });

  test('that is missing is named, with what to do', () => {
    expect(() => start({ configFile: join(dir, 'none.json') })).toThrow(
      /There is no MCP configuration .*none\.json\. Set TURNGATE_MCP_CONFIG/,
    );
  });
});

test('a server that ignores the end of its input and SIGTERM is killed', async () => {
  const pidFile = join(dir, 'pid');
  const stubborn = `process.on('SIGTERM', () => undefined); setInterval(() => undefined, 1000);
    require('fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));
    process.stdin.removeAllListeners('end'); import(${JSON.stringify(testServer)}).then(() => process.stdin.removeAllListeners('end'))`;
  const port = start({ servers: { stubborn: { command: 'node', args: ['-e', stubborn], env: {} } } });
  expect((await call(port, 'stubborn.echo', { text: 'x' })).text).toBe('x');
  const pid = Number(await readFile(pidFile, 'utf8'));
  await port.close();
  expect(isAlive(pid)).toBe(false);
});

test('servers end by themselves when the process that started them is killed', async () => {
  const script = `import { createMcpTools } from ${JSON.stringify(resolve('src/tools/mcp-tools.ts'))};
    const servers = { test: { command: 'node', args: [${JSON.stringify(testServer)}], env: { EFFECTS_FILE: ${JSON.stringify(join(dir, 'effects'))} } } };
    const logger = { debug() {}, warn() {} };
    const port = createMcpTools({ servers, logger, timeoutMs: 20_000 });
    const signal = new AbortController().signal;
    await port.call({ tool: 'test.effect', toolHash: null, arguments: { text: 'x', wait_ms: 60_000 }, toolCallId: 'c', signal, onProgress() {} });`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: 'ignore',
  });
  const pid = Number((await until(async () => (await effects())[0])).pid);
  parent.kill('SIGKILL');
  await until(() => !isAlive(pid));
});
