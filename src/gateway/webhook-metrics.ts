import { setTimeout as delay } from 'node:timers/promises';
import { Gauge, type Registry } from 'prom-client';

/** Of all gateways and workers: as the store has them. */
export interface WebhookNumbers {
  pending: number;
  dead: number;
  oldestPendingMs: number;
}

/** Scrapers ask without a token: the store is asked at most this often. */
const freshMs = 5_000;
/** A store that says nothing does not hold up the other numbers. */
const boundMs = 1_000;

/** @returns what is to be awaited before each scrape; where the store is away, these numbers are left out */
export function webhookGauges(register: Registry, read: () => Promise<WebhookNumbers>): () => Promise<void> {
  const deliveries = new Gauge({
    name: 'turngate_webhook_deliveries',
    help: 'Webhooks that are not through, and those that were given up, as the store has them.',
    labelNames: ['status'],
    registers: [register],
  });
  const oldest = new Gauge({
    name: 'turngate_webhook_oldest_pending_seconds',
    help: 'Since when the oldest webhook waits that is not through; 0: none does.',
    registers: [register],
  });
  let askedAt = 0;
  return async () => {
    if (Date.now() - askedAt < freshMs) return;
    askedAt = Date.now();
    const asked = read().catch(() => null);
    const numbers = await Promise.race([asked, delay(boundMs, null, { ref: false })]);
    deliveries.reset();
    oldest.set(numbers === null ? Number.NaN : numbers.oldestPendingMs / 1_000);
    if (numbers === null) return;
    deliveries.set({ status: 'pending' }, numbers.pending);
    deliveries.set({ status: 'dead' }, numbers.dead);
  };
}
