import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';

const connectTimeoutMs = 5_000;
/** A statement of the plane that takes longer means that the connection is of no use any more. */
const queryTimeoutMs = 5_000;
const firstRetryMs = 100;
const lastRetryMs = 3_000;
/** A network that is silently gone shows only when something is asked over it. */
const probeMs = 10_000;
const hangUpMs = 500;
const closeMs = 1_000;

export interface LinkOptions {
  connectionString: string;
  applicationName: string;
  logger: Logger;
  /** Runs on every new connection before it counts as up. */
  prepare(client: pg.Client): Promise<void>;
  onUp(): void;
}

/** One dedicated connection that comes back by itself, with backoff, until it is closed. */
export class PostgresLink {
  readonly #options: LinkOptions;
  readonly #stop = new AbortController();
  #client: pg.Client | null = null;
  #running: Promise<void> | null = null;
  /** Ends the wait for the end of the connection that is up. */
  #lose: () => void = () => undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** The connection, or null while there is none. */
  get client(): pg.Client | null {
    return this.#client;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Throws the connection away; the next one is made at once. */
  renew(client: pg.Client): void {
    if (this.#client === client) this.#lose();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#lose();
    await Promise.race([this.#running, delay(closeMs, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    let retryMs = firstRetryMs;
    while (!this.#stop.signal.aborted) {
      const lasted = await this.#once();
      retryMs = lasted ? firstRetryMs : Math.min(retryMs * 2, lastRetryMs);
      if (!this.#stop.signal.aborted) await this.#pause(retryMs * (0.5 + Math.random() / 2));
    }
  }

  /** Connects and holds the connection to its end. Answers whether it ever was up. */
  async #once(): Promise<boolean> {
    const { connectionString, applicationName, logger } = this.#options;
    const client = new pg.Client({
      connectionString,
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: queryTimeoutMs,
      keepAlive: true,
    });
    const ended = new Promise<void>((resolve) => {
      this.#lose = resolve;
      client.once('end', resolve);
      client.on('error', (error) => {
        logger.warn({ err: error }, 'a connection of the live plane broke');
        resolve();
      });
    });
    let up = false;
    try {
      await client.connect();
      await this.#options.prepare(client);
      if (!this.#stop.signal.aborted) {
        this.#client = client;
        up = true;
        this.#options.onUp();
        const probing = this.#probe(client);
        await ended;
        clearInterval(probing);
      }
    } catch (error) {
      logger.warn({ err: error }, 'the live plane cannot reach Postgres; it tries again');
    }
    this.#client = null;
    await hangUp(client, logger);
    return up;
  }

  #probe(client: pg.Client): NodeJS.Timeout {
    const timer = setInterval(() => {
      client.query('select 1').catch((error: unknown) => {
        this.#options.logger.warn({ err: error }, 'the live plane got no answer from Postgres');
        this.renew(client);
      });
    }, probeMs);
    return timer.unref();
  }

  async #pause(pauseMs: number): Promise<void> {
    await delay(pauseMs, undefined, { signal: this.#stop.signal, ref: false }).catch(() => undefined);
  }
}

async function hangUp(client: pg.Client, logger: Logger): Promise<void> {
  const ended = client.end().catch((error: unknown) => {
    logger.debug({ err: error }, 'a connection of the live plane did not end cleanly');
  });
  await Promise.race([ended, delay(hangUpMs, undefined, { ref: false })]);
}
