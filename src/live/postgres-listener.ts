import pg from 'pg';
import type { Logger } from 'pino';
import { PostgresLink } from './postgres-link.ts';

type PayloadHandler = (payload: string) => void;

/** Hears notifications. Its connection exists from the first subscription on. */
export class PostgresListener {
  readonly #link: PostgresLink;
  readonly #logger: Logger;
  readonly #handlers = new Map<string, Set<PayloadHandler>>();
  readonly #restored: (() => void)[] = [];
  /** Subscriptions that wait for the connection. */
  #waiting: (() => void)[] = [];
  #wasUp = false;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: { connectionString: string; applicationName: string; logger: Logger }) {
    this.#logger = options.logger;
    this.#link = new PostgresLink({
      ...options,
      prepare: (client) => this.#prepare(client),
      onUp: () => this.#up(),
    });
  }

  /** Settles when notifications of this channel arrive from now on; waits while Postgres is away. */
  async listen(channel: string, handler: PayloadHandler): Promise<() => Promise<void>> {
    const handlers = this.#handlers.get(channel) ?? new Set();
    handlers.add(handler);
    this.#handlers.set(channel, handlers);
    await this.#ready(channel);
    return async () => {
      handlers.delete(handler);
      if (handlers.size > 0 || this.#handlers.get(channel) !== handlers) return;
      this.#handlers.delete(channel);
      const unlisten = `unlisten ${pg.escapeIdentifier(channel)}`;
      await this.#inTurn(async () => this.#link.client?.query(unlisten)).catch((error: unknown) => {
        this.#logger.debug({ err: error, channel }, 'the channel is left with its connection');
      });
    };
  }

  onRestored(handler: () => void): void {
    this.#restored.push(handler);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#link.close();
    this.#release();
  }

  async #ready(channel: string): Promise<void> {
    while (!this.#closed) {
      const { client } = this.#link;
      if (client) {
        const heard = await this.#inTurn(() => client.query(listenTo(channel))).then(
          () => true,
          (error: unknown) => this.#lost(client, error),
        );
        if (heard) return;
      }
      const up = new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#link.start();
      await up;
    }
  }

  /** One query at a time: this connection does not pipeline. */
  #inTurn<T>(query: () => Promise<T>): Promise<T> {
    const answered = this.#last.then(query);
    this.#last = answered.then(
      () => undefined,
      // Whoever asked hears of it.
      () => undefined,
    );
    return answered;
  }

  #lost(client: pg.Client, error: unknown): false {
    this.#logger.warn({ err: error }, 'a subscription waits for the live plane to come back');
    this.#link.renew(client);
    return false;
  }

  async #prepare(client: pg.Client): Promise<void> {
    client.on('notification', ({ channel, payload }) => this.#hear(channel, payload ?? ''));
    for (const channel of this.#handlers.keys()) await client.query(listenTo(channel));
  }

  #up(): void {
    this.#release();
    if (this.#wasUp) for (const handler of this.#restored) handler();
    this.#wasUp = true;
  }

  #release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }

  #hear(channel: string, payload: string): void {
    for (const handler of this.#handlers.get(channel) ?? []) {
      try {
        handler(payload);
      } catch (error) {
        // Only its name: a parser's message quotes the payload, which nobody may read in a log.
        const fault = error instanceof Error ? error.name : 'unknown';
        this.#logger.error({ fault, channel }, 'a payload of the live plane could not be read');
      }
    }
  }
}

function listenTo(channel: string): string {
  return `listen ${pg.escapeIdentifier(channel)}`;
}
