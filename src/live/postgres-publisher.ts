import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import { errorCode } from '../protocol/error-text.ts';
import { Outbox, type Payload } from './outbox.ts';
import type { GatewayNudge, SessionMessage, TurnNudge } from './port.ts';
import { PostgresLink } from './postgres-link.ts';

/** Payloads of one statement. */
const maxPayloads = 8;
const drainMs = 1_000;

/**
 * Sends what is published, at once when nothing is on its way, else together when that has returned. No pause between:
 * the way to Postgres and back gathers enough (one of 2 ms cost a third of the delay and saved no processor).
 */
export class PostgresPublisher {
  readonly #outbox = new Outbox(randomBytes(6).toString('base64url'));
  readonly #link: PostgresLink;
  readonly #logger: Logger;
  /** Taken out of the outbox and not yet known to be sent: goes out again after a lost connection. */
  #pending: Payload[] = [];
  #scheduled = false;
  #sending = false;
  #closed = false;
  #reportedDrops = 0;

  constructor(options: { connectionString: string; applicationName: string; logger: Logger }) {
    this.#logger = options.logger;
    this.#link = new PostgresLink({
      ...options,
      prepare: async (client) => {
        await client.query('set synchronous_commit = off');
      },
      onUp: () => this.#schedule(),
    });
    this.#link.start();
  }

  /** Deltas and notices that were dropped, since the start. */
  get dropped(): number {
    return this.#outbox.dropped;
  }

  publish(message: SessionMessage): void {
    if (this.#closed) return;
    this.#outbox.add(message);
    this.#schedule();
  }

  nudge(nudge: TurnNudge): void {
    if (this.#closed) return;
    this.#outbox.addNudge(nudge);
    this.#schedule();
  }

  nudgeGateways(nudge: GatewayNudge): void {
    if (this.#closed) return;
    this.#outbox.addGatewayNudge(nudge);
    this.#schedule();
  }

  async close(): Promise<void> {
    const deadline = performance.now() + drainMs;
    // Also while there is no connection: the first one, or the next, may be a moment away.
    while (this.#isWaiting && performance.now() < deadline) await delay(5);
    this.#closed = true;
    await this.#link.close();
  }

  get #isWaiting(): boolean {
    return this.#sending || this.#pending.length > 0 || !this.#outbox.isEmpty;
  }

  /** Everything published in this round of the event loop goes out together. */
  #schedule(): void {
    if (this.#scheduled || this.#sending) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (;;) {
      const { client } = this.#link;
      if (!client || !this.#isLoaded()) break;
      const batch = this.#pending.slice(0, maxPayloads);
      if (!(await this.#notify(client, batch))) break;
      this.#pending.splice(0, batch.length);
      this.#reportDrops();
    }
    this.#sending = false;
  }

  #isLoaded(): boolean {
    if (this.#pending.length === 0) this.#pending = this.#outbox.take(maxPayloads);
    return this.#pending.length > 0;
  }

  /** Answers false when the connection is lost; what Postgres refuses is dropped, or it would block the rest. */
  async #notify(client: pg.Client, batch: Payload[]): Promise<boolean> {
    const calls = batch.map((_, index) => `pg_notify($${index * 2 + 1}, $${index * 2 + 2})`);
    try {
      await client.query({
        name: `notify-${batch.length}`,
        text: `select ${calls.join(', ')}`,
        values: batch.flatMap(({ channel, payload }) => [channel, payload]),
      });
      return true;
    } catch (error) {
      const refused = isRefusal(error);
      this.#logger.warn({ err: error, payloads: batch.length, refused }, 'a publication was not sent');
      if (!refused) this.#link.renew(client);
      return refused;
    }
  }

  #reportDrops(): void {
    const { dropped } = this.#outbox;
    if (dropped === this.#reportedDrops) return;
    this.#logger.warn({ dropped: dropped - this.#reportedDrops }, 'the live plane dropped deltas or notices');
    this.#reportedDrops = dropped;
  }
}

/** An answer of Postgres to this statement alone; classes 57 and 08 end the connection. */
function isRefusal(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  return /^[0-9A-Z]{5}$/.test(code) && !/^(57|08|25006)/.test(code);
}
