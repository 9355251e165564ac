import { randomBytes } from 'node:crypto';
import type {
  DeliveryStatus,
  WebhookDeliveriesPage,
  WebhookDelivery,
  WebhookEndpointsList,
  WebhookEndpointView,
} from '../../protocol/webhooks.ts';
import { webhookSecret } from '../../webhooks/sign.ts';
import type { InboxDeps, OutputOptions } from './deps.ts';
import { type PageOptions, printPage } from './page.ts';
import { agoText, safe } from './words.ts';

const secretBytes = 32;

export async function listEndpoints({ ask, console }: InboxDeps, options: OutputOptions): Promise<void> {
  const list = await ask<WebhookEndpointsList>('GET', '/v1/webhooks/endpoints');
  if (options.json) return console.print(JSON.stringify(list));
  if (list.endpoints.length === 0)
    console.tell('No webhooks go anywhere: TURNGATE_WEBHOOKS names no endpoint.');
  for (const endpoint of list.endpoints) console.print(endpointLines(endpoint));
}

export async function enableEndpoint(
  { ask, console }: InboxDeps,
  name: string,
  options: OutputOptions,
): Promise<void> {
  const path = `/v1/webhooks/endpoints/${encodeURIComponent(name)}/enable`;
  const endpoint = await ask<WebhookEndpointView>('POST', path);
  console.print(options.json ? JSON.stringify(endpoint) : endpointLines(endpoint));
}

function endpointLines(endpoint: WebhookEndpointView): string {
  const { name, url, events, state, paused_until, pending, dead } = endpoint;
  const until = paused_until === null ? '' : ` for another while (${agoText(paused_until)})`;
  return `${name}  ${state}${until}  ${pending} pending, ${dead} dead\n    ${safe(url)}  ${events.join(', ')}`;
}

export function listDeliveries(
  deps: InboxDeps,
  options: PageOptions & { status?: DeliveryStatus },
): Promise<void> {
  return printPage(deps, options, {
    path: '/v1/webhooks/deliveries',
    itemsOf: ({ deliveries }: WebhookDeliveriesPage) => deliveries,
    textOf: deliveryLines,
    none: 'There are none.',
  });
}

export async function resendDelivery(
  { ask, console }: InboxDeps,
  id: string,
  options: OutputOptions,
): Promise<void> {
  const path = `/v1/webhooks/deliveries/${encodeURIComponent(id)}/resend`;
  const delivery = await ask<WebhookDelivery>('POST', path);
  if (options.json) console.print(JSON.stringify(delivery));
  else
    console.print(
      `It is sent again, to ${delivery.endpoint}, under the same id.\n${deliveryLines(delivery)}`,
    );
}

/** A new secret, of the form that both sides need. */
export function newSecret(): string {
  return webhookSecret(randomBytes(secretBytes));
}

function deliveryLines(delivery: WebhookDelivery): string {
  const { id, endpoint, type, status, attempts, created_at, last_error } = delivery;
  const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
  const line = `${id}  ${endpoint}  ${type}  ${status}, ${tries}${nextText(delivery)}, written ${agoText(created_at)}`;
  return last_error === null ? line : `${line}\n    ${safe(last_error)}`;
}

function nextText({ next_attempt_at: at, waits_for_earlier: waits }: WebhookDelivery): string {
  if (at === null) return '';
  if (waits) return ', waits for an earlier one';
  return at > Date.now() ? `, next ${agoText(at)}` : `, due ${agoText(at)}`;
}
