import { expect, test } from '@jest/globals';
import { expectOthersFine, expectToolError, startBeside } from '../helpers/hostile-mcp.ts';
import { call, logged } from '../helpers/mcp-ports.ts';

const megabyte = 1024 * 1024;

/** How much more memory is held at the most while this runs. */
async function memoryOf(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage().rss;
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 20);
  await work();
  clearInterval(timer);
  return most - before;
}

test.each(['progress', 'notifications', 'requests', 'stderr'])(
  'endless %s: the call runs out of time, others go on, nothing piles up',
  async (kind) => {
    const port = startBeside('floods.ts', { turngate: { timeoutMs: 2_500 } });
    await port.list();
    let progress = 0;
    const grown = await memoryOf(async () => {
      const pending = call(port, `hostile.${kind}`, {}, { onProgress: () => ++progress });
      await expectOthersFine(port);
      expectToolError(
        await pending,
        'unknown',
        /gave no answer within 2500 ms|does not read what it is sent/,
      );
    });
    expect(progress).toBeLessThan(40);
    expect(grown).toBeLessThan(400 * megabyte);
    await expectOthersFine(port);
    expect(logged.length).toBeLessThan(1_000);
  },
);

test.each(['huge', 'endless'])('%s: the connection is ended at 8 MiB', async (kind) => {
  const port = startBeside('floods.ts');
  await port.list();
  const grown = await memoryOf(async () => {
    expectToolError(
      await call(port, `hostile.${kind}`),
      'unknown',
      /sent a message of more than 8388608 bytes/,
    );
  });
  expect(grown).toBeLessThan(300 * megabyte);
  await expectOthersFine(port);
});

test('thousands of tools: the first 500 are offered, and it is said', async () => {
  const port = startBeside('floods.ts', { env: { LIST: 'many' } });
  const names = (await port.list()).filter((tool) => tool.server === 'hostile');
  expect(names).toHaveLength(500);
  expect(JSON.stringify(logged)).toContain('the server has more than 500 tools');
  await expectOthersFine(port);
});

test('pages without end: as many as are needed are asked for, at most 20', async () => {
  const port = startBeside('floods.ts', { env: { LIST: 'pages' } });
  expect((await port.list()).filter((tool) => tool.server === 'hostile')).toHaveLength(20);
  expect(await port.describe('hostile.tool_3', { fresh: true })).toMatchObject({ name: 'hostile.tool_3' });
  expect(await port.describe('hostile.tool_4711', { fresh: true })).toBeUndefined();
  expect(JSON.stringify(logged)).toContain('more than 20 pages');
  await expectOthersFine(port);
});
