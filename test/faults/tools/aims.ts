/** What one aimed fault kills, and when. */
export const aims = [
  /** The worker, before the effect: the tool goes on without it, or dies with it. */
  'worker_before_effect',
  /** The worker, when the effect is on disk and nothing is answered. */
  'worker_after_effect',
  /** The worker, when the calls have just been proposed. */
  'worker_at_request',
  /** The worker, some milliseconds after the decision: around the intent. */
  'worker_at_decision',
  /** The worker, when clients hear of the result. */
  'worker_at_result',
  /** The worker, with the result in the store and its completion held back from Temporal. */
  'worker_before_completion',
  /** The gateway that has just been sent a decision. */
  'gateway_at_decision',
  /** The gateway that has just acked a decision. */
  'gateway_at_ack',
  /** The gateway that has acked a decision, with its signal held back from Temporal. */
  'gateway_before_signal',
  /** Temporal, when a decision was acked. */
  'temporal_at_ack',
  /** Temporal, when the effect is on disk. */
  'temporal_after_effect',
  /** The worker, when clients hear of a question that a tool asks. */
  'worker_at_question',
  /** The tool's own server, when the effect is on disk. */
  'tool_server_after_effect',
] as const;
export type Aim = (typeof aims)[number];
