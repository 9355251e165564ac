import type { Logger } from 'pino';
import type { Db } from '../store/db.ts';
import {
  type DueDelivery,
  recordDelivered,
  recordFailure,
  removeOldDeliveries,
  takeDueDeliveries,
} from '../store/webhook-deliveries.ts';
import { closeOrphans, disableEndpoint, pauseEndpoint, syncEndpoints } from '../store/webhook-endpoints.ts';
import type { WebhookEndpoint } from './config.ts';
import type { WebhookEndpoints } from './endpoints.ts';
import { type Posted, post } from './post.ts';
import { type RetrySchedule, retryAfterMs, retryDelayMs, retrySchedule } from './schedule.ts';
import { signedHeaders } from './sign.ts';

export interface SenderSettings {
  /** A receiver that has not answered by then counts as failed. */
  timeoutMs: number;
  /** What was not delivered in this time is dead. */
  giveUpMs: number;
  /** What was delivered or given up is removed after it. */
  retentionMs: number;
}

export interface SenderTimings {
  /** How often is looked for what is due. */
  pollMs: number;
  /** How often the store is told of the endpoints, and old deliveries and those of no endpoint are looked for. */
  sweepMs: number;
  /** An endpoint that no worker has told of for this long is taken for removed. */
  forgetMs: number;
  schedule: RetrySchedule;
}

const senderTimings: SenderTimings = {
  pollMs: 500,
  sweepMs: 15_000,
  forgetMs: 60_000,
  schedule: retrySchedule,
};

/** Attempts of one worker to one endpoint at a time: one that is dead never holds up another. */
const attemptsPerEndpoint = 8;
/** An attempt is another worker's this long after it must have ended. */
const leaseMarginMs = 2_000;
/** Old rows are removed in this many rounds at once; the rest is left for later. */
const removalsPerSweep = 20;

/** Sends what is due. Runs in every worker; the deliveries are shared by leases. */
export class WebhookSender {
  readonly #deps: { db: Db; endpoints: WebhookEndpoints; logger: Logger };
  readonly #settings: SenderSettings;
  readonly #timings: SenderTimings;
  readonly #stopped = new AbortController();
  readonly #underWay = new Map<string, Set<Promise<void>>>();
  #wake: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #sweptAt = 0;
  #failing = false;

  constructor(
    deps: { db: Db; endpoints: WebhookEndpoints; logger: Logger },
    settings: SenderSettings,
    timings: Partial<SenderTimings> = {},
  ) {
    this.#deps = deps;
    this.#settings = settings;
    this.#timings = { ...senderTimings, ...timings };
  }

  start(): void {
    this.#running = this.#loop();
  }

  /** What is under way is broken off, and tried again by whoever runs then. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake();
    await this.#running;
    await Promise.all([...this.#underWay.values()].flatMap((attempts) => [...attempts]));
  }

  async #loop(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        await this.#round();
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) {
          this.#deps.logger.warn(
            { err: error },
            'webhooks are not sent: the store is away; it is tried again',
          );
        }
        this.#failing = true;
      }
      await this.#pause(woken);
    }
  }

  async #pause(woken: Promise<void>): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    let timer: NodeJS.Timeout | undefined;
    const waited = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#timings.pollMs);
    });
    // Where the store is away, an attempt that ends is no reason to ask it again at once.
    await (this.#failing ? waited : Promise.race([woken, waited]));
    clearTimeout(timer);
  }

  async #round(): Promise<void> {
    const { db, endpoints, logger } = this.#deps;
    if (endpoints.refresh()) this.#sweptAt = 0;
    if (Date.now() - this.#sweptAt > this.#timings.sweepMs) {
      await syncEndpoints(db, endpoints.current.map(rowOf), this.#timings.forgetMs);
      await this.#sweep();
      this.#sweptAt = Date.now();
    }
    const free = new Map<string, number>();
    for (const { name } of endpoints.current) {
      const places = attemptsPerEndpoint - (this.#underWay.get(name)?.size ?? 0);
      if (places > 0) free.set(name, places);
    }
    if (free.size === 0) return;
    const byName = new Map(endpoints.current.map((endpoint) => [endpoint.name, endpoint]));
    for (const due of await takeDueDeliveries(db, {
      free,
      leaseMs: this.#settings.timeoutMs + leaseMarginMs,
    })) {
      const endpoint = byName.get(due.endpoint);
      if (endpoint) this.#begin(endpoint, due);
      else logger.error({ delivery_id: due.id }, 'a delivery was taken for an endpoint that is not there');
    }
  }

  async #sweep(): Promise<void> {
    const { db, logger } = this.#deps;
    const closed = await closeOrphans(db);
    if (closed > 0) logger.warn({ deliveries: closed }, 'webhooks were given up: their endpoints are gone');
    for (let rounds = 0; rounds < removalsPerSweep; rounds += 1) {
      if (!(await removeOldDeliveries(db, this.#settings.retentionMs))) return;
    }
  }

  #begin(endpoint: WebhookEndpoint, due: DueDelivery): void {
    const attempts = this.#underWay.get(endpoint.name) ?? new Set();
    this.#underWay.set(endpoint.name, attempts);
    const attempt = this.#attempt(endpoint, due)
      .catch((error: unknown) => {
        const ids = { err: error, delivery_id: due.id, endpoint: due.endpoint };
        this.#deps.logger.warn(ids, 'what came of a webhook could not be written down; it is sent again');
      })
      .finally(() => {
        attempts.delete(attempt);
        this.#wake();
      });
    attempts.add(attempt);
  }

  async #attempt(endpoint: WebhookEndpoint, due: DueDelivery): Promise<void> {
    const { timeoutMs } = this.#settings;
    const timestamp = Math.floor(Date.now() / 1_000);
    const headers = signedHeaders({ id: due.id, timestamp, body: due.payload }, endpoint.keys);
    const posted = await post(
      endpoint.url,
      { headers, body: due.payload },
      { timeoutMs, signal: this.#stopped.signal },
    );
    await this.#record(endpoint, due, posted);
  }

  async #record(endpoint: WebhookEndpoint, due: DueDelivery, posted: Posted): Promise<void> {
    const { db, logger } = this.#deps;
    const ids = { delivery_id: due.id, endpoint: due.endpoint, attempt: due.attempt, status: posted.status };
    if (posted.kind === 'delivered') {
      logger.debug(ids, 'a webhook was delivered');
      await recordDelivered(db, due.id, posted);
      return;
    }
    const { status, words } = posted;
    const { giveUpMs } = this.#settings;
    if (posted.kind === 'gone') {
      // First of all, so that what comes after it in its session is not sent meanwhile.
      await disableEndpoint(db, { name: endpoint.name, url: endpoint.shownUrl });
      await recordFailure(db, due, { status, words, retryInMs: null, giveUpMs });
      const closed = await closeOrphans(db);
      logger.warn({ ...ids, deliveries: closed }, 'a webhook endpoint answered 410 and gets nothing more');
      return;
    }
    const askedForMs = retryAfterMs(posted.retryAfter, Date.now());
    if (askedForMs !== null) await pauseEndpoint(db, endpoint.name, askedForMs);
    const delayMs = retryDelayMs(due.attempt, this.#timings.schedule, Math.random);
    const retryInMs = Math.max(delayMs, askedForMs ?? 0);
    const became = await recordFailure(db, due, { status, words, retryInMs, giveUpMs });
    if (became === 'dead') logger.warn({ ...ids, why: words }, 'a webhook was given up');
    else logger.info({ ...ids, why: words }, 'a webhook did not get through; it is tried again');
  }
}

function rowOf({ name, shownUrl, eventTypes, tenants }: WebhookEndpoint) {
  return { name, url: shownUrl, eventTypes, tenants };
}
