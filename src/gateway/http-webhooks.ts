import { PublicError } from '../protocol/errors.ts';
import {
  deliveryStatus,
  webhookDeliveriesPage,
  webhookDelivery,
  webhookEndpoint,
  webhookEndpointsList,
} from '../protocol/webhooks.ts';
import type { Db } from '../store/db.ts';
import { enableEndpoint, listEndpoints } from '../store/webhook-endpoints.ts';
import { listDeliveries, resendDelivery } from '../store/webhook-views.ts';
import { pageQuery, readQuery } from './http-input.ts';
import type { RouteDescription } from './http-route.ts';
import type { HttpRouter } from './http-router.ts';
import { requireService } from './service-role.ts';

const listQuery = pageQuery.extend({ status: deliveryStatus.optional() });

const about = {
  endpoints: {
    summary: 'Where webhooks of your tenant go, and how that goes; for a service.',
    answers: { 200: webhookEndpointsList },
  },
  enable: {
    summary: 'Lets an endpoint that answered 410 get webhooks again; for a service.',
    answers: { 200: webhookEndpoint },
  },
  list: {
    summary: 'Webhooks of your tenant, newest first, without what they say; for a service.',
    query: listQuery,
    answers: { 200: webhookDeliveriesPage },
  },
  resend: {
    summary: 'Sends a webhook again, or now, under the id that it has; for a service.',
    answers: { 202: webhookDelivery },
  },
} satisfies Record<string, RouteDescription>;

/** `/v1/webhooks…`: what became of webhooks, for backends, of the tenant of their token. */
export function serveWebhooks(router: HttpRouter, deps: { db: Db }): void {
  const { db } = deps;

  router.get('/v1/webhooks/endpoints', about.endpoints, async (_, identity) => {
    requireService(identity, 'Reading where webhooks go');
    return { status: 200, body: { endpoints: await listEndpoints(db, identity.tenant) } };
  });

  router.post('/v1/webhooks/endpoints/:name/enable', about.enable, async (call, identity) => {
    requireService(identity, 'Enabling an endpoint of webhooks');
    const endpoint = await enableEndpoint(db, { tenant: identity.tenant, name: call.id });
    if (endpoint === null) throw new PublicError('not_found', 'There is no such endpoint for your tenant.');
    return { status: 200, body: endpoint };
  });

  router.get('/v1/webhooks/deliveries', about.list, async (call, identity) => {
    requireService(identity, 'Reading what became of webhooks');
    const query = readQuery(listQuery, call);
    return { status: 200, body: await listDeliveries(db, { tenant: identity.tenant, ...query }) };
  });

  router.post('/v1/webhooks/deliveries/:id/resend', about.resend, async (call, identity) => {
    requireService(identity, 'Sending a webhook again');
    const delivery = await resendDelivery(db, { tenant: identity.tenant, id: call.id });
    if (delivery === null) throw new PublicError('not_found', 'There is no such delivery, or no longer.');
    if (delivery === 'gone') {
      throw new PublicError(
        'conflict',
        'Its endpoint gets nothing: it is not in the file of webhooks, or it answered 410. Name it there, or enable it.',
      );
    }
    return { status: 202, body: delivery };
  });
}
