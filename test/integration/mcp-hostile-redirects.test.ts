import { createServer } from 'node:http';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { expectOthersFine, expectToolError, ordinary } from '../helpers/hostile-mcp.ts';
import { listen } from '../helpers/http-mcp.ts';
import { call, logged, start } from '../helpers/mcp-ports.ts';
import { createRedirects } from '../mcp-servers/redirects.ts';

let asked = 0;
const inner = createServer((_, response) => {
  asked += 1;
  response.end('the keys of the machine');
});
let to = '';
beforeEach(async () => {
  asked = 0;
  to = await listen(inner);
});
afterEach(() => {
  inner.closeAllConnections();
  inner.close();
});

test.each([
  [308, 'call'],
  [307, 'call'],
  [308, 'greeting'],
  [303, 'greeting'],
] as const)('a redirect (%d, at the %s) to an inner address is not followed', async (status, when) => {
  const server = createRedirects({ to: `${to}/latest/meta-data`, status, when });
  const url = await listen(server);
  const port = start({ servers: { hostile: { type: 'http', url }, test: ordinary() } });
  expectToolError(
    await call(port, 'hostile.go'),
    'failed',
    /answers with a redirect, and redirects are not followed/,
  );
  expect(asked).toBe(0);
  expect(JSON.stringify(logged)).not.toContain('meta-data');
  await expectOthersFine(port);
  server.close();
});

test.each([301, 302, 303])(
  'after a redirect that may say that the call was carried out (%d), nobody knows',
  async (status) => {
    const server = createRedirects({ to, status, when: 'call' });
    const port = start({ servers: { hostile: { type: 'http', url: await listen(server) } } });
    expectToolError(await call(port, 'hostile.go'), 'unknown', /redirects are not followed/);
    expect(asked).toBe(0);
    server.close();
  },
);

test('a redirect within the same origin is not followed either', async () => {
  const server = createRedirects({ to: '/mcp2', status: 307, when: 'call' });
  const port = start({ servers: { hostile: { type: 'http', url: await listen(server) }, test: ordinary() } });
  expectToolError(await call(port, 'hostile.go'), 'failed', /redirects are not followed/);
  server.close();
});

test.each([
  ['http://169.254.169.254/latest', /link-local, metadata/],
  ['http://[fe80::1]/', /link-local, metadata/],
  ['http://[::ffff:169.254.169.254]/', /link-local, metadata/],
])('an address that no server may have is not connected to: %s', async (url, why) => {
  const port = start({ servers: { hostile: { type: 'http', url } } });
  expectToolError(await call(port, 'hostile.go'), 'failed', why);
});
