import { v7 as uuidv7 } from 'uuid';
import type { EventFrame } from '../protocol/server-frames.ts';
import { isWebhookEvent, webhookPayload, webhookTypes } from '../protocol/webhooks.ts';
import type { Tx } from './db.ts';

/** An event that was just written, its session's tenant, and the endpoints that want to hear of it. */
export interface WantedEvent {
  frame: EventFrame;
  tenant: string;
  endpoints: readonly string[];
}

/** Which endpoints want an event of this type and tenant: an expression of SQL, `null` where nobody does. */
export const wantedBy = (type: string, tenant: string) => `(
  select array_agg(w.name order by w.name) from webhook_endpoints w
  where ${type} = any(w.event_types) and (w.tenants is null or ${tenant} = any(w.tenants))
    and w.removed_at is null and w.disabled_at is null)`;

/** Writes down who is to be told, in the transaction that wrote the events; where nobody wants to be, it does nothing. */
export async function tellWebhooks(tx: Tx, events: readonly WantedEvent[]): Promise<void> {
  const rows = events.flatMap(({ frame, tenant, endpoints }) => {
    if (endpoints.length === 0 || !isWebhookEvent(frame)) return [];
    const payload = webhookPayload(tenant, frame);
    return endpoints.map((endpoint) => ({
      endpoint,
      tenant,
      frame,
      type: webhookTypes[frame.type],
      payload,
    }));
  });
  if (rows.length === 0) return;
  await tx.query({
    name: 'tell-webhooks',
    text: `insert into webhook_deliveries (id, endpoint, tenant, session_id, seq, type, payload)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])`,
    values: [
      rows.map(() => uuidv7()),
      rows.map(({ endpoint }) => endpoint),
      rows.map(({ tenant }) => tenant),
      rows.map(({ frame }) => frame.session_id),
      rows.map(({ frame }) => frame.seq),
      rows.map(({ type }) => type),
      rows.map(({ payload }) => payload),
    ],
  });
}
