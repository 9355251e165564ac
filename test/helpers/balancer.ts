import { connect, createServer } from 'node:net';

/** A load balancer for TCP: each connection goes to the port that `pick` says then. */
export interface Balancer {
  http: string;
  /** Connections that came. */
  readonly taken: number;
  close(): Promise<void>;
}

export async function openBalancer(pick: (nth: number) => number): Promise<Balancer> {
  let taken = 0;
  const ends = new Set<() => void>();
  const server = createServer((near) => {
    taken += 1;
    const far = connect(pick(taken), '127.0.0.1');
    near.pipe(far).pipe(near);
    const end = () => {
      near.destroy();
      far.destroy();
      ends.delete(end);
    };
    ends.add(end);
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The balancer has no port.');
  return {
    http: `http://127.0.0.1:${address.port}`,
    get taken() {
      return taken;
    },
    close() {
      for (const end of ends) end();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
