import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import type { Moment } from './effect-line.ts';

/** Hears what tools do in the moment they do it; a tool goes on when the listener is done. */
export class Moments {
  readonly #server = createServer((request, response) => {
    void json(request).then(
      async (moment) => {
        await this.listener(moment as Moment);
        response.end();
      },
      () => response.destroy(),
    );
  });
  listener: (moment: Moment) => Promise<void> = () => Promise.resolve();

  /** Answers its address. */
  async open(): Promise<string> {
    await new Promise<void>((listening) => this.#server.listen(0, '127.0.0.1', listening));
    const address = this.#server.address();
    if (address === null || typeof address === 'string')
      throw new Error('Nobody can tell of moments: no port.');
    return `http://127.0.0.1:${address.port}/`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
