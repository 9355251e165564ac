import { z } from 'zod';
import { errorCode } from './errors.ts';
import { approvalOutcome, inputAction, json, timestamp } from './frame-parts.ts';

export const agentState = z.enum([
  'thinking',
  'streaming',
  'running_tool',
  'waiting_approval',
  'waiting_input',
  'retrying',
  'stalled',
  'idle',
]);
export type AgentState = z.infer<typeof agentState>;

export const welcomeFrame = z.object({
  type: z.literal('welcome'),
  session_id: z.string(),
  connection_id: z.string(),
  user: z.object({ id: z.string(), email: z.string().nullable(), name: z.string().nullable() }),
  last_seq: z.int().nonnegative(),
  received_seq: z
    .int()
    .nonnegative()
    .optional()
    .describe('up to where everything has arrived at this device, as it said; only for a device with a name'),
  heartbeat_ms: z.int(),
  protocol: z.literal('turngate.v1'),
});

const deltaFields = {
  message_id: z.string(),
  attempt: z.int(),
  offset: z.int().nonnegative().describe('length of the text before this delta, UTF-16 code units'),
  delta: z.string(),
};
export const streamDeltaFrame = z.object({ type: z.literal('stream_delta'), ...deltaFields });
export const thoughtDeltaFrame = z.object({ type: z.literal('thought_delta'), ...deltaFields });
export type DeltaFrame = z.infer<typeof streamDeltaFrame> | z.infer<typeof thoughtDeltaFrame>;

export const streamSnapshotFrame = z.object({
  type: z.literal('stream_snapshot'),
  message_id: z.string(),
  attempt: z.int(),
  content: z.string(),
  thought: z.string().optional(),
});

export const agentThoughtFrame = z.object({
  type: z.literal('agent_thought'),
  turn_id: z.string(),
  kind: z.literal('tool_choice'),
  content: z.string(),
});

export const toolProgressFrame = z.object({
  type: z.literal('tool_progress'),
  tool_call_id: z.string(),
  progress: z.number(),
  total: z.number().optional(),
  message: z.string().optional(),
});

export const agentStatusFrame = z.object({
  type: z.literal('agent_status'),
  status: agentState,
  turn_id: z.string().optional(),
  details: z.object({
    heartbeat_at: timestamp.optional(),
    attempt: z.int().optional(),
    elapsed_ms: z.int().optional(),
    tool_call_id: z.string().optional(),
  }),
});
export type AgentStatusFrame = z.infer<typeof agentStatusFrame>;

export const workflowProgressFrame = z.object({
  type: z.literal('workflow_progress'),
  workflow_id: z.string(),
  progress: z.number().min(0).max(1).nullable(),
  step: z.int(),
});

export const typingNoticeFrame = z.object({
  type: z.literal('typing'),
  user_id: z.string(),
  active: z.boolean(),
});
export const presenceFrame = z.object({
  type: z.literal('presence'),
  users: z.array(z.object({ user_id: z.string(), devices: z.int().positive() })),
});
export type PresenceFrame = z.infer<typeof presenceFrame>;

/** How far a stream has come from which events are left out (a filter, or not for this user): gaps are judged against it. */
export const cursorFrame = z.object({ type: z.literal('cursor'), seq: z.int().nonnegative() });
/** The events asked for are gone: read the history, go on from `last_seq`. */
export const resyncFrame = z.object({
  type: z.literal('resync'),
  reason: z.string(),
  last_seq: z.int().nonnegative(),
});

/** The decision that stands on a tool call. */
export const standingDecision = z.object({
  tool_call_id: z.string(),
  decision: approvalOutcome,
  by: z.string(),
  at: timestamp,
  reason: z.string().optional(),
  arguments: json.optional().describe('what runs, where a person changed it'),
});
export type StandingDecision = z.infer<typeof standingDecision>;

/** The answer to a question that stands. */
export const standingInput = z.object({
  request_id: z.string(),
  action: inputAction,
  by: z.string(),
  at: timestamp,
});

export const ackFrame = z.object({
  type: z.literal('ack'),
  id: z.string().optional(),
  turn_id: z.string().optional(),
  message_id: z.string().optional(),
  disposition: z.enum(['started', 'queued', 'steered', 'interrupted', 'recorded', 'conflict']).optional(),
  decision: standingDecision.optional(),
  approvals: z.int().optional().describe('where several people are needed: how many approved so far'),
  needed: z.int().optional(),
  input: standingInput.optional().describe('the answer to a question that stands'),
});
export type AckFrame = z.infer<typeof ackFrame>;

export const errorFrame = z.object({
  type: z.literal('error'),
  error: z.string(),
  code: errorCode,
  id: z.string().optional(),
  tool_call_id: z.string().optional(),
});
export type ErrorFrame = z.infer<typeof errorFrame>;

export const serverPingFrame = z.object({ type: z.literal('ping') });
export const serverPongFrame = z.object({ type: z.literal('pong'), id: z.string().optional() });

/** Live frames: no `seq`; losing one loses nothing. */
export const liveFrame = z.discriminatedUnion('type', [
  welcomeFrame,
  streamDeltaFrame,
  thoughtDeltaFrame,
  streamSnapshotFrame,
  agentThoughtFrame,
  toolProgressFrame,
  agentStatusFrame,
  workflowProgressFrame,
  typingNoticeFrame,
  presenceFrame,
  cursorFrame,
  resyncFrame,
  ackFrame,
  errorFrame,
  serverPingFrame,
  serverPongFrame,
]);
export type LiveFrame = z.infer<typeof liveFrame>;
