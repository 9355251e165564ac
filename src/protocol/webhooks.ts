import { z } from 'zod';
import { nextOlder } from './page.ts';
import { type EventFrame, type EventType, eventBodies } from './server-frames.ts';

/** The events of a session that webhooks tell, and what they are called there. */
export const webhookTypes = {
  tool_approval_request: 'approval.requested',
  tool_approval_reminder: 'approval.reminded',
  tool_approval_resolved: 'approval.resolved',
  input_request: 'input.requested',
  input_resolved: 'input.resolved',
  turn_end: 'turn.ended',
} as const satisfies Partial<Record<EventType, string>>;
export type WebhookEventType = keyof typeof webhookTypes;

export const webhookEventTypes = Object.keys(webhookTypes) as WebhookEventType[];
export const webhookType = z.enum(Object.values(webhookTypes));

const about = {
  tenant: z.string(),
  session_id: z.string(),
  turn_id: z.string().optional(),
  seq: z.int().positive().describe('of the event in its session: tells the order of what arrives'),
  ts: z.int().describe('milliseconds since 1970'),
  left_out: z
    .record(z.string(), z.int())
    .optional()
    .describe('fields that are too large for a webhook, and the characters that each has as JSON'),
};
const message = <E extends WebhookEventType, S extends z.core.$ZodShape>(event: E, body: z.ZodObject<S>) =>
  z.object({
    type: z.literal(webhookTypes[event]),
    timestamp: z.iso.datetime().describe('when it happened'),
    data: z.object({ ...about, ...body.partial().shape }),
  });

/** The body of a webhook. Fields of `data` are those of the event, but for those in `left_out`. */
export const webhookMessage = z.discriminatedUnion('type', [
  message('tool_approval_request', eventBodies.tool_approval_request),
  message('tool_approval_reminder', eventBodies.tool_approval_reminder),
  message('tool_approval_resolved', eventBodies.tool_approval_resolved),
  message('input_request', eventBodies.input_request),
  message('input_resolved', eventBodies.input_resolved),
  message('turn_end', eventBodies.turn_end),
]);
export type WebhookMessage = z.infer<typeof webhookMessage>;

export type WebhookEvent = Extract<EventFrame, { type: WebhookEventType }>;

export function isWebhookEvent(event: EventFrame): event is WebhookEvent {
  return Object.hasOwn(webhookTypes, event.type);
}

/** A field above this, as JSON, is left out of a webhook: who wants it reads it over HTTP. */
export const webhookFieldChars = 16_384;

/** Every field that webhooks tell, as JSON of bounded length. Pure. */
export function webhookPayload(tenant: string, event: WebhookEvent): string {
  const { type, session_id, turn_id, seq, ts, ...body } = event;
  const left_out: Record<string, number> = {};
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    const chars = JSON.stringify(value)?.length ?? 0;
    if (chars > webhookFieldChars) left_out[name] = chars;
    else kept[name] = value;
  }
  return JSON.stringify({
    type: webhookTypes[type],
    timestamp: new Date(ts).toISOString(),
    data: {
      ...{ tenant, session_id, seq, ts },
      ...(turn_id === undefined ? {} : { turn_id }),
      ...(Object.keys(left_out).length === 0 ? {} : { left_out }),
      ...kept,
    },
  });
}

export const deliveryStatus = z.enum(['pending', 'delivered', 'dead']);
export type DeliveryStatus = z.infer<typeof deliveryStatus>;

/** One message to one endpoint, without what it says. */
export const webhookDelivery = z.object({
  id: z.string().describe('the `webhook-id` of all its attempts'),
  endpoint: z.string(),
  type: webhookType,
  session_id: z.string(),
  seq: z.int().positive(),
  status: deliveryStatus,
  attempts: z.int().nonnegative(),
  created_at: z.int(),
  last_attempt_at: z.int().nullable(),
  next_attempt_at: z
    .int()
    .nullable()
    .describe('while it is pending; an attempt that is under way counts as failed then'),
  waits_for_earlier: z
    .boolean()
    .describe(
      'one of its session that was written before it has to be through first, or to have failed some times',
    ),
  finished_at: z.int().nullable().describe('when it was delivered, or given up'),
  last_status: z.int().nullable().describe('what the receiver answered to the last attempt'),
  last_error: z.string().nullable(),
});
export type WebhookDelivery = z.infer<typeof webhookDelivery>;

export const webhookDeliveriesPage = z.object({
  deliveries: z.array(webhookDelivery).describe('of your tenant, newest first'),
  next: nextOlder,
});
export type WebhookDeliveriesPage = z.infer<typeof webhookDeliveriesPage>;

export const webhookEndpoint = z.object({
  name: z.string(),
  url: z.string().describe('as the file has it, with its references to the environment'),
  events: z.array(webhookType),
  state: z
    .enum(['active', 'paused', 'disabled'])
    .describe('`paused`: it asked to be left alone for a time; `disabled`: it answered 410'),
  paused_until: z.int().nullable(),
  pending: z.int().nonnegative().describe('deliveries of your tenant that are not through'),
  dead: z
    .int()
    .nonnegative()
    .describe('deliveries of your tenant that were given up, as long as they are kept'),
});
export type WebhookEndpointView = z.infer<typeof webhookEndpoint>;

export const webhookEndpointsList = z.object({ endpoints: z.array(webhookEndpoint) });
export type WebhookEndpointsList = z.infer<typeof webhookEndpointsList>;
