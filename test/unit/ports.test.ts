import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { freePort, loopback, settlePort } from '../../src/cli/dev/ports.ts';

test('free ports are none that the system gives to outgoing connections, and can be listened on', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, freePort));
  for (const port of ports) {
    // Linux gives those from 32,768 on, others from 49,152.
    expect(port).toBeGreaterThan(1_024);
    expect(port).toBeLessThan(32_768);
  }
  expect(new Set(ports).size).toBeGreaterThan(1);
  const server = createServer().listen(ports[0], loopback);
  await once(server, 'listening');
  await expect(settlePort(ports[0] ?? 0, 'a test', '--port')).rejects.toThrow(/taken by another program/);
  server.close();
});
