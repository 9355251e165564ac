import type { WebhookEndpointView, WebhookEventType } from '../protocol/webhooks.ts';
import { webhookTypes } from '../protocol/webhooks.ts';
import { type Db, transaction } from './db.ts';

/** An endpoint as the file has it; nothing of it is secret. */
export interface EndpointRow {
  name: string;
  url: string;
  eventTypes: readonly WebhookEventType[];
  /** null: of every tenant. */
  tenants: readonly string[] | null;
}

/**
 * Says which endpoints a worker's file names: from the commit on, events are written down for them. What no worker has
 * named for `forgetMs` is taken out: so one that still has an older file takes nothing away from the others. One that
 * answered 410 is tried again where its address has changed, or where no file named it for a time.
 */
export async function syncEndpoints(
  db: Db,
  endpoints: readonly EndpointRow[],
  forgetMs: number,
): Promise<void> {
  const rows = endpoints.map(({ name, url, eventTypes, tenants }) => ({
    ...{ name, url, tenants },
    event_types: eventTypes,
  }));
  await transaction(db, async (tx) => {
    await tx.query({
      name: 'name-webhook-endpoints',
      text: `insert into webhook_endpoints as w (name, url, event_types, tenants)
       select name, url, event_types, tenants
       from jsonb_to_recordset($1::jsonb) as e(name text, url text, event_types text[], tenants text[])
       order by name
       on conflict (name) do update set url = excluded.url, event_types = excluded.event_types,
         tenants = excluded.tenants, seen_at = now(), removed_at = null,
         disabled_at = case when w.removed_at is null and w.url = excluded.url then w.disabled_at end,
         paused_until = case when w.removed_at is null and w.url = excluded.url then w.paused_until end`,
      values: [JSON.stringify(rows)],
    });
    await tx.query({
      name: 'forget-webhook-endpoints',
      text: `update webhook_endpoints set removed_at = now()
             where removed_at is null and name <> all($1::text[])
               and seen_at < now() - $2 * interval '1 millisecond'`,
      values: [endpoints.map(({ name }) => name), forgetMs],
    });
  });
}

/** Gives up what waits for endpoints that the file names no more, or that are gone. @returns how many */
export async function closeOrphans(db: Db): Promise<number> {
  const { rowCount } = await db.query({
    name: 'close-orphaned-deliveries',
    text: `update webhook_deliveries d set status = 'dead', finished_at = now(),
             last_error = case when w.disabled_at is not null
               then 'The endpoint answered 410: it is gone for good.'
               else 'The endpoint is not in the file of webhooks any more.' end
           from webhook_endpoints w
           where d.status = 'pending' and d.endpoint = w.name
             and (w.removed_at is not null or w.disabled_at is not null)`,
  });
  return rowCount ?? 0;
}

/** The receiver at this address is gone for good. */
export async function disableEndpoint(db: Db, endpoint: { name: string; url: string }): Promise<void> {
  await db.query({
    name: 'disable-webhook-endpoint',
    text: 'update webhook_endpoints set disabled_at = now() where name = $1 and url = $2',
    values: [endpoint.name, endpoint.url],
  });
}

/**
 * One that answered 410 is back at the same address: from now on it is written to again. What waited for it is dead, and
 * is sent again one by one.
 * @returns null where this tenant has no such endpoint
 */
export async function enableEndpoint(
  db: Db,
  request: { tenant: string; name: string },
): Promise<WebhookEndpointView | null> {
  await db.query({
    name: 'enable-webhook-endpoint',
    text: `update webhook_endpoints set disabled_at = null
           where name = $1 and removed_at is null and (tenants is null or $2 = any(tenants))`,
    values: [request.name, request.tenant],
  });
  return (await listEndpoints(db, request.tenant)).find(({ name }) => name === request.name) ?? null;
}

/** No worker sends to it for this long. */
export async function pauseEndpoint(db: Db, name: string, forMs: number): Promise<void> {
  await db.query({
    name: 'pause-webhook-endpoint',
    text: `update webhook_endpoints
           set paused_until = greatest(paused_until, now() + $2 * interval '1 millisecond') where name = $1`,
    values: [name, forMs],
  });
}

/** The endpoints that hear of this tenant. */
export async function listEndpoints(db: Db, tenant: string): Promise<WebhookEndpointView[]> {
  const { rows } = await db.query<Omit<WebhookEndpointView, 'events'> & { event_types: WebhookEventType[] }>({
    name: 'list-webhook-endpoints',
    text: `select w.name, w.url, w.event_types,
             case when w.disabled_at is not null then 'disabled'
               when w.paused_until > now() then 'paused' else 'active' end as state,
             case when w.paused_until > now() then w.paused_until end as paused_until,
             count(*) filter (where d.status = 'pending')::int as pending,
             count(*) filter (where d.status = 'dead')::int as dead
           from webhook_endpoints w
           left join webhook_deliveries d on d.endpoint = w.name and d.tenant = $1 and d.status <> 'delivered'
           where w.removed_at is null and (w.tenants is null or $1 = any(w.tenants))
           group by w.name order by w.name`,
    values: [tenant],
  });
  return rows.map(({ event_types, name, url, ...rest }) => ({
    ...{ name, url, events: event_types.map((type) => webhookTypes[type]) },
    ...rest,
  }));
}
