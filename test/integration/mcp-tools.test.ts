import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { call, dir, effects, logged, pidOf, start, testServer, until } from '../helpers/mcp-ports.ts';

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
    expect(await call(port, 'nobody.x')).toMatchObject({ status: 'failed', error: { code: 'tool_error' } });
    expect(await call(port, 'absent.x')).toMatchObject({ status: 'failed', error: { code: 'tool_error' } });
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
