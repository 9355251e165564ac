import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { signToken as sign } from '../../src/cli/token.ts';
import { sessionView } from '../../src/protocol/http.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { type GatewayProcess, spawnGateway } from '../helpers/gateway-process.ts';
import { until } from '../helpers/until.ts';

const secret = 'a secret of a gateway in a process of its own';
let database: TestDatabase;
let gateway: GatewayProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  gateway = await spawnGateway(database.url, secret);
});
afterAll(async () => {
  await gateway.end('SIGTERM');
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
  await until(async () => (await fetch(`${gateway.http}/readyz`)).ok);
  const made = await fetch(`${gateway.http}/v1/sessions`, { method: 'POST', headers, body: '{}' });
  expect(made.status).toBe(201);
  const { id } = sessionView.parse(await made.json());
  const url = `${gateway.ws}/v1/sessions/${id}/ws`;
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

test('headers above 16 kB get 431, on both [ws-headers]', async () => {
  const headers = { authorization: `Bearer ${await tokenOf(17_000)}` };
  const answer = await fetch(`${gateway.http}/v1/sessions`, { headers });
  expect([answer.status, await answer.text()]).toEqual([
    431,
    expect.stringContaining('Header Fields Too Large'),
  ]);
  const socket = new WebSocket(`${gateway.ws}/v1/sessions/default/ws`, { headers });
  const [error] = await once(socket, 'error');
  expect(String(error)).toContain('431');
});
