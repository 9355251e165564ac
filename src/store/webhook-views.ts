import type { DeliveryStatus, WebhookDeliveriesPage, WebhookDelivery } from '../protocol/webhooks.ts';
import type { Db } from './db.ts';
import { type PageRequest, pageOf } from './pages.ts';
import { waitsForEarlier } from './webhook-deliveries.ts';

const columns = `d.id, d.endpoint, d.type, d.session_id, d.seq, d.status, d.attempts, d.created_at, d.last_attempt_at,
  case when d.status = 'pending' then d.next_attempt_at end as next_attempt_at,
  d.status = 'pending' and ${waitsForEarlier} as waits_for_earlier, d.finished_at, d.last_status, d.last_error`;

/** Said outright, because what waits and what is dead is found by an index of its own. */
const choices = {
  any: 'true',
  pending: `status = 'pending'`,
  delivered: `status = 'delivered'`,
  dead: `status = 'dead'`,
};

/** A tenant's deliveries, newest first. */
export async function listDeliveries(
  db: Db,
  request: PageRequest & { tenant: string; status?: DeliveryStatus | undefined },
): Promise<WebhookDeliveriesPage> {
  const { tenant, status = 'any', limit, before } = request;
  const { rows } = await db.query<WebhookDelivery>({
    name: `list-webhook-deliveries-${status}`,
    text: `select ${columns} from webhook_deliveries d
           where tenant = $1 and ${choices[status]} and ($2::text is null or id < $2)
           order by id desc limit $3 + 1`,
    values: [tenant, before ?? null, limit],
  });
  const { shown: deliveries, next } = pageOf(rows, limit, ({ id }) => id);
  return { deliveries, next };
}

/**
 * Makes a delivery due at once, and gives it its time again; it keeps its id, by which a receiver knows it.
 * @returns null where the tenant has no such delivery; `gone` where nothing is sent to its endpoint any more
 */
export async function resendDelivery(
  db: Db,
  request: { tenant: string; id: string },
): Promise<WebhookDelivery | 'gone' | null> {
  const { rows } = await db.query<WebhookDelivery>({
    name: 'resend-webhook-delivery',
    text: `update webhook_deliveries d set status = 'pending', finished_at = null, next_attempt_at = now(),
             due_since = now(), attempts_before = attempts
           from webhook_endpoints w
           where d.id = $1 and d.tenant = $2
             and w.name = d.endpoint and w.removed_at is null and w.disabled_at is null
           returning ${columns}`,
    values: [request.id, request.tenant],
  });
  if (rows[0]) return rows[0];
  const { rowCount } = await db.query({
    name: 'find-webhook-delivery',
    text: 'select 1 from webhook_deliveries where id = $1 and tenant = $2',
    values: [request.id, request.tenant],
  });
  return rowCount === 0 ? null : 'gone';
}

/** How many deliveries wait, how many were given up, and since when the oldest waits; of all tenants, for metrics. */
export async function webhookNumbers(
  db: Db,
): Promise<{ pending: number; dead: number; oldestPendingMs: number }> {
  const { rows } = await db.query<{ pending: number; dead: number; oldest_ms: number }>({
    name: 'count-webhook-deliveries',
    text: `select (select count(*) from webhook_deliveries where status = 'pending')::int as pending,
             (select count(*) from webhook_deliveries where status = 'dead')::int as dead,
             coalesce((select extract(epoch from now() - min(due_since)) * 1000
               from webhook_deliveries where status = 'pending'), 0)::float8 as oldest_ms`,
  });
  const { pending = 0, dead = 0, oldest_ms = 0 } = rows[0] ?? {};
  return { pending, dead, oldestPendingMs: oldest_ms };
}
