import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { StartFailure } from './start-failure.ts';

/** The only address that anything started by `turngate dev` listens on. */
export const loopback = '127.0.0.1';

/**
 * Where free ports are looked for: below those that systems give to outgoing connections (from 32,768 on), any of which may
 * take a port that was free a moment ago, or that belongs to a part which starts again.
 */
const firstPort = 20_000;
const lastPort = 29_999;
const triesMax = 50;

function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(null);
      else reject(error);
    });
    server.listen({ port, host: loopback, exclusive: true }, () => {
      const address = server.address();
      const taken = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(taken));
    });
  });
}

/** A port on loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const port = await tryPort(randomInt(firstPort, lastPort + 1));
    if (port !== null) return port;
  }
  const port = await tryPort(0);
  if (port === null)
    throw new StartFailure('The system gives no free port on 127.0.0.1; close some programs.');
  return port;
}

/**
 * Settles a part's port before the part starts, so that a restart of it can take the same one.
 * @param wanted the configured port; 0 takes a free one
 * @param option the command-line option that sets it, for the sentence of the error
 * @throws StartFailure where the port is taken or may not be used
 */
export async function settlePort(wanted: number, part: string, option: string): Promise<number> {
  if (wanted === 0) return freePort();
  if ((await tryPort(wanted)) !== null) return wanted;
  throw new StartFailure(
    `Port ${wanted} on 127.0.0.1, which ${part} needs, is taken by another program; ` +
      `stop that program, or choose another port with ${option} <port> (0 takes a free one).`,
  );
}
