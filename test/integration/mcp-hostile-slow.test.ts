import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { expectOthersFine, expectToolError, startBeside } from '../helpers/hostile-mcp.ts';
import { call, dir, logged, until } from '../helpers/mcp-ports.ts';

const open = () => startBeside('slow.ts', { turngate: { timeoutMs: 700 } });

test('a call that is never answered ends after the time of its server, not of all servers', async () => {
  const port = open();
  await port.list();
  expectToolError(await call(port, 'hostile.never'), 'unknown', /gave no answer within 700 ms/);
  expect((await call(port, 'test.slow', { seconds: 1 })).status).toBe('completed');
  await expectOthersFine(port);
});

test('other calls of the same server go on meanwhile', async () => {
  const port = open();
  await port.list();
  const pending = call(port, 'hostile.never');
  expect((await call(port, 'hostile.quick')).text).toBe('quick');
  expect((await pending).status).toBe('unknown');
});

test("an answer after the end is nobody's", async () => {
  const port = open();
  await port.list();
  const file = join(dir, 'now');
  expectToolError(await call(port, 'hostile.late', { until: file }), 'unknown', /gave no answer/);
  await writeFile(file, '');
  await until(() => logged.some((line) => JSON.stringify(line).includes('unknown message ID')));
  expect((await call(port, 'hostile.quick')).text).toBe('quick');
  await expectOthersFine(port);
});
