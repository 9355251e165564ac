import { z } from 'zod';

/**
 * The `approval` signal on workflow `session:<session_id>`, from the gateway, the Temporal UI or the
 * `temporal` CLI. With `decision_id` the decision is already in the store; without one it is an
 * operator's and is recorded as such before anything acts on it.
 */
export const approvalSignalPayload = z.object({
  tool_call_id: z.string().min(1),
  approved: z.boolean(),
  reason: z.string().max(2_000).optional(),
  decision_id: z.string().min(1).optional(),
});
export type ApprovalSignalPayload = z.infer<typeof approvalSignalPayload>;

/** The `cancel` signal: stops that turn; for any other turn it is ignored. */
export const cancelSignalPayload = z.object({ turn_id: z.string().min(1) });
export type CancelSignalPayload = z.infer<typeof cancelSignalPayload>;
