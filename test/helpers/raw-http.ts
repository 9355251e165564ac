import { createServer, type RequestListener } from 'node:http';

/** A bare HTTP server on a free loopback port, for answers that no well-behaved server would give. */
export async function startRawHttp(
  listener: RequestListener,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    // Read to the end first: a connection closed over unread data is reset, and takes the answer with it.
    request.resume().on('end', () => listener(request, response));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
}
