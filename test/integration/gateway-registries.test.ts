import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { type GatewayHarness, openGatewayPair, signToken } from '../helpers/gateway.ts';
import { until } from '../helpers/until.ts';

const connections = 10_000;
/** Open at the same time. */
const batch = 250;
const sessions = 20;

let east: GatewayHarness;
let west: GatewayHarness;
beforeAll(async () => {
  const config = { CONNECTIONS_PER_USER: 0, CONNECTIONS_PER_ADDRESS: 0, SESSION_SUSPEND_AFTER_MS: 200 };
  [east, west] = await openGatewayPair({ config });
});
afterAll(() => east.close());

/** How connections end: at once, in the middle of being let in, politely, by another of the same device. */
function live(url: string, token: string, n: number): Promise<void> {
  const device = n % 5 === 0 ? `?device=phone-${n % 3}` : '';
  const socket = new WebSocket(`${url}${device}`, { headers: { authorization: `Bearer ${token}` } });
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    if (n % 7 === 0) socket.on('open', () => socket.terminate());
    socket.once('message', () => {
      if (n % 3 === 0) socket.send('{"type":"typing","active":true}');
      if (n % 2 === 0) socket.close();
      else socket.terminate();
    });
  });
}

test(`after ${connections.toLocaleString('en')} connects and disconnects every registry is empty`, async () => {
  const token = await signToken();
  const ids = await Promise.all(Array.from({ length: sessions }, () => east.session()));
  const seen = new Set<string>();
  const watching = setInterval(() => {
    for (const [name, size] of Object.entries(east.gateway.sizes())) if (size > 0) seen.add(name);
  }, 5);
  for (let done = 0; done < connections; done += batch) {
    const all = Array.from({ length: batch }, (_, index) => {
      const n = done + index;
      const at = n % 2 === 0 ? east : west;
      return live(`${at.ws}/v1/sessions/${ids[n % sessions]}/ws`, token, n);
    });
    await Promise.all(all);
  }
  clearInterval(watching);
  // They were filled: what follows says something.
  expect([...seen]).toEqual(
    expect.arrayContaining(['registered', 'hubs', 'visitors', 'presence', 'connections']),
  );
  for (const { gateway } of [east, west]) {
    const held = () => Object.entries(gateway.sizes()).filter(([, size]) => size !== 0);
    await until(() => held().length === 0).catch(() => expect(held()).toEqual([]));
  }
  for (const table of ['connections', 'closures', 'vacancies']) {
    await until(async () => (await east.db.query(`select 1 from ${table} limit 1`)).rowCount === 0);
  }
  const { rows } = await east.db.query('select distinct state from sessions');
  expect(rows).toEqual([{ state: 'suspended' }]);
}, 420_000);
