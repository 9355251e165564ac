import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { expectOthersFine, expectToolError, ordinary } from '../helpers/hostile-mcp.ts';
import { listen } from '../helpers/http-mcp.ts';
import { call, start, until } from '../helpers/mcp-ports.ts';
import { createHttpFloods, type Flood } from '../mcp-servers/http-floods.ts';

const megabyte = 1024 * 1024;
let server: ReturnType<typeof createHttpFloods>;
let url = '';
beforeEach(async () => {
  server = createHttpFloods();
  url = await listen(server);
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

test.each<[Flood, RegExp]>([
  ['json', /sent a message of more than 8388608 bytes/],
  ['event', /sent a message of more than 8388608 bytes/],
  ['events', /gave no answer within 2000 ms/],
  ['silence', /gave no answer within 2000 ms/],
  ['comes-back', /gave no answer within 2000 ms/],
  ['cut', /ended the connection without an answer/],
  ['empty', /ended the connection without an answer/],
  ['packed', /packs its answers/],
  ['words', /answered with an error \(.*no x+/],
])('%s over HTTP fails the call, within bounds', async (kind, words) => {
  const hostile = { type: 'http' as const, url, turngate: { timeoutMs: 2_000 } };
  const port = start({ servers: { hostile, test: ordinary() } });
  await port.list();
  const before = process.memoryUsage().rss;
  const pending = call(port, `hostile.${kind}`);
  await expectOthersFine(port);
  expectToolError(await pending, 'unknown', words);
  expect(process.memoryUsage().rss - before).toBeLessThan(300 * megabyte);
  await expectOthersFine(port);
  // However often it asks to come back: its own stream, and that of the call.
  expect(server.streams).toBeLessThan(20);
});

test('a call that is over leaves no connection open', async () => {
  const port = start({
    servers: { hostile: { type: 'http', url, turngate: { timeoutMs: 300, idleMs: 100 } } },
  });
  expectToolError(await call(port, 'hostile.silence'), 'unknown', /within 300 ms/);
  await port.close();
  const open = () => new Promise<number>((done) => server.getConnections((_, count) => done(count)));
  await until(async () => (await open()) === 0);
});
