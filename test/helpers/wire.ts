import { connect, createServer, type Socket } from 'node:net';

/** A way to a TCP server that can be cut and mended. */
export interface Wire {
  /** The same URL, by this way. */
  url: string;
  /** Ends every connection; new ones are ended at once until {@link mend}. */
  cut(): void;
  mend(): void;
  /**
   * From the commit of the next transaction on that says these words, its connection's answers are held back: they have
   * been given, and are not heard until {@link release}. For Postgres.
   */
  holdAnswers(words: string): void;
  release(): void;
  close(): Promise<void>;
}

export async function openWire(target: string): Promise<Wire> {
  const url = new URL(target);
  const { port, hostname } = url;
  const sockets = new Set<Socket>();
  let isCut = false;
  let awaited: string | null = null;
  let release = (): unknown => undefined;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    near.pipe(far).pipe(near);
    let isSaid = false;
    near.on('data', (chunk) => {
      if (awaited === null) return;
      isSaid ||= chunk.includes(awaited);
      if (!isSaid || !chunk.includes('commit')) return;
      awaited = null;
      far.unpipe(near);
      release = () => far.pipe(near);
    });
    const end = () => {
      for (const socket of [near, far]) {
        socket.destroy();
        sockets.delete(socket);
      }
    };
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The wire has no port.');
  url.port = String(address.port);
  url.hostname = '127.0.0.1';
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    cut,
    mend: () => {
      isCut = false;
    },
    holdAnswers: (words) => {
      awaited = words;
    },
    release: () => release(),
    close: () => {
      cut();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
