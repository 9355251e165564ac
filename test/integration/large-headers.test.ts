import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { signToken as sign } from '../../src/cli/token.ts';
import { sessionView } from '../../src/protocol/http.ts';
import { createTestDatabase, fromSetup, type TestDatabase } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';

const secret = 'a secret of a gateway in a process of its own';
let database: TestDatabase;
let gateway: ChildProcess;
let address: { http: string; ws: string };

beforeAll(async () => {
  database = await createTestDatabase();
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  gateway = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'gateway'], {
    // Nothing but what the gateway needs: it brings its bound itself.
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: database.url,
      TEMPORAL_ADDRESS: fromSetup('TURNGATE_TEST_TEMPORAL'),
      GATEWAY_PORT: '0',
      JWT_SECRET: secret,
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [ready] = await once(gateway, 'message');
  address = ready;
});
afterAll(async () => {
  gateway.kill('SIGTERM');
  await once(gateway, 'exit');
  await database.drop();
});

/** A JWT of about this many characters, as identity providers with many groups make them. */
const tokenOf = (chars: number) => {
  const roles = Array.from({ length: 40 }, (_, n) => `group-${n}-`.padEnd((chars * 3) / 4 / 40 - 3, 'x'));
  return sign(secret, { user: 'alice', tenant: 't', roles, ttlSeconds: 60 });
};

test('a token of 12 kB is taken, over HTTP and WebSocket and in each way', async () => {
  const token = await tokenOf(11_800);
  expect(token.length).toBeGreaterThan(11_500);
  const headers = { authorization: `Bearer ${token}` };
  await until(async () => (await fetch(`${address.http}/readyz`)).ok);
  const made = await fetch(`${address.http}/v1/sessions`, { method: 'POST', headers, body: '{}' });
  expect(made.status).toBe(201);
  const { id } = sessionView.parse(await made.json());
  const url = `${address.ws}/v1/sessions/${id}/ws`;
  for (const dial of [
    () => new WebSocket(url, { headers }),
    () => new WebSocket(`${url}?token=${token}`),
    () => new WebSocket(url, ['turngate.v1', `bearer.${token}`]),
  ]) {
    const socket = dial();
    const [first] = await once(socket, 'message');
    expect(JSON.parse(String(first))).toMatchObject({ type: 'welcome', user: { id: 'alice' } });
    socket.terminate();
  }
});

test('headers above 16 kB get 431, on both', async () => {
  const headers = { authorization: `Bearer ${await tokenOf(17_000)}` };
  const answer = await fetch(`${address.http}/v1/sessions`, { headers });
  expect([answer.status, await answer.text()]).toEqual([
    431,
    expect.stringContaining('Header Fields Too Large'),
  ]);
  const socket = new WebSocket(`${address.ws}/v1/sessions/default/ws`, { headers });
  const [error] = await once(socket, 'error');
  expect(String(error)).toContain('431');
});
