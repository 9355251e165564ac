import { z } from 'zod';
import { errorBody, errorCode } from './errors.ts';

const timestamp = z.int().describe('milliseconds since 1970');
const json = z.json();

export const usage = z.object({
  input_tokens: z.int(),
  output_tokens: z.int(),
});
export type Usage = z.infer<typeof usage>;

export const gateDecision = z.enum(['allow', 'ask', 'deny']);
export type GateDecision = z.infer<typeof gateDecision>;
export const approvalOutcome = z.enum(['approved', 'rejected', 'expired', 'withdrawn']);
export type ApprovalOutcome = z.infer<typeof approvalOutcome>;
/** Why a call that was asked about, or did not need it, is asked about again. */
export const askedAgain = z.enum([
  'escalated',
  'edited',
  'arguments_changed',
  'tool_changed',
  'rule_changed',
  'grant_fell',
]);
export type AskedAgain = z.infer<typeof askedAgain>;
export const inputKind = z.enum(['elicitation', 'limit', 'unknown_outcome']);
export type InputKind = z.infer<typeof inputKind>;
export const inputAction = z.enum(['accept', 'decline', 'cancel']);
export type InputAction = z.infer<typeof inputAction>;
export const toolResultStatus = z.enum(['completed', 'failed', 'rejected', 'denied', 'cancelled', 'unknown']);
export type ToolResultStatus = z.infer<typeof toolResultStatus>;
export const turnEndStatus = z.enum(['completed', 'failed', 'cancelled']);
export type TurnEndStatus = z.infer<typeof turnEndStatus>;

/** An attachment as frames and messages refer to it; its bytes are at `GET /v1/attachments/{id}`. */
export const attachmentRef = z.object({
  id: z.string(),
  name: z.string(),
  media_type: z.string(),
  size: z.int().nonnegative().describe('bytes'),
});
export type AttachmentRef = z.infer<typeof attachmentRef>;

export const participantRole = z.enum(['owner', 'member', 'approver', 'viewer']);
export type ParticipantRole = z.infer<typeof participantRole>;
export const participant = z.object({ user_id: z.string(), role: participantRole });
export type Participant = z.infer<typeof participant>;
export const sessionState = z.enum(['active', 'suspended', 'closed']);
export type SessionState = z.infer<typeof sessionState>;

/** What happened, without what the store adds (`seq`, `session_id`, `ts`, `turn_id`). */
export const eventBodies = {
  message_saved: z.object({
    message_id: z.string(),
    role: z.enum(['user', 'assistant', 'tool']),
    content: z.string(),
    attachments: z.array(attachmentRef),
    client_message_id: z.string().optional(),
    user_id: z.string().optional(),
  }),
  turn_started: z.object({ workflow_id: z.string(), run_id: z.string() }),
  stream_start: z.object({ message_id: z.string(), attempt: z.int() }),
  stream_reset: z.object({ message_id: z.string(), attempt: z.int().optional() }),
  stream_end: z.object({
    message_id: z.string(),
    content: z.string(),
    thought: z.string().optional(),
    finish_reason: z.string(),
    usage: usage.nullable(),
  }),
  tool_call: z.object({
    tool_call_id: z.string(),
    message_id: z.string(),
    tool: z.string(),
    arguments: json,
    gate: gateDecision,
    rule: z.string(),
    reason: z.string(),
  }),
  tool_approval_request: z.object({
    tool_call_id: z.string(),
    tool: z.string(),
    arguments: json,
    arguments_hash: z.string(),
    tool_hash: z.string().optional().describe('of the name, description and schema of the tool'),
    rule: z.string().optional().describe('the rule of the policy that asks'),
    reason: z.string(),
    expires_at: timestamp,
    approvers: z.array(z.string()).describe('the users who may decide, as the session stands'),
    needed: z.int().describe('how many of them have to approve'),
    round: z
      .int()
      .positive()
      .optional()
      .describe('counts how often this call was asked about; one without is the first'),
    level: z.int().nonnegative().optional().describe('how often it was escalated'),
    because: askedAgain
      .optional()
      .describe('why it is asked again; this request takes the place of the one before'),
  }),
  tool_approval_reminder: z.object({
    tool_call_id: z.string(),
    number: z.int().positive(),
    expires_at: timestamp,
    approvers: z.array(z.string()),
  }),
  tool_approval_vote: z.object({
    tool_call_id: z.string(),
    by: z.string(),
    at: timestamp,
    approvals: z.int().positive().describe('so far, of those needed'),
    needed: z.int().positive(),
  }),
  tool_approval_resolved: z.object({
    tool_call_id: z.string(),
    decision: approvalOutcome,
    by: z.string(),
    at: timestamp,
    reason: z.string().optional(),
    arguments: json.optional().describe('what runs, where a person changed it'),
    original_arguments: json.optional().describe('what the model asked for, where a person changed it'),
    remember: z.enum(['session', 'always']).optional(),
  }),
  tool_started: z.object({ tool_call_id: z.string(), attempt: z.int() }),
  tool_result: z.object({
    tool_call_id: z.string(),
    status: toolResultStatus,
    result: json,
    error: errorBody.nullable(),
  }),
  tool_late_result: z.object({
    tool_call_id: z.string(),
    attempt: z.int(),
    status: z.enum(['completed', 'failed', 'unknown']),
    result: json,
    error: errorBody.nullable(),
  }),
  input_request: z.object({
    request_id: z.string(),
    kind: inputKind,
    tool_call_id: z.string().optional(),
    message: z.string(),
    schema: json.describe('JSON Schema of the `content` of an answer that accepts'),
    expires_at: timestamp.optional(),
  }),
  input_resolved: z.object({
    request_id: z.string(),
    action: inputAction,
    by: z.string().describe('who answered; `turngate` where nobody did in time, or the turn ended'),
    at: timestamp.optional(),
    content: json.optional(),
  }),
  turn_end: z.object({
    status: turnEndStatus,
    error: errorBody.optional(),
    usage: usage.nullable(),
    debug: z
      .object({
        model: z.string().nullable(),
        first_token_ms: z.int().nullable(),
        attempts: z.int(),
        rules: z.array(z.string()),
        run_link: z.string().nullable(),
      })
      .optional()
      .describe('development only'),
  }),
  external_event: z.object({
    event_id: z.string().describe('the same in every session of the user'),
    event_type: z.string(),
    event_data: json,
  }),
  messages_removed: z.object({ message_ids: z.array(z.string()) }),
  session_updated: z.object({
    title: z.string().optional(),
    state: sessionState.optional(),
    participants: z.array(participant).optional().describe('all of them, where they changed'),
  }),
} as const;
export type EventType = keyof typeof eventBodies;
export type EventBody<T extends EventType = EventType> = z.infer<(typeof eventBodies)[T]>;

const durable = {
  seq: z.int().positive(),
  session_id: z.string(),
  ts: timestamp,
  turn_id: z.string().optional(),
};
const durableFrame = <T extends EventType, S extends z.core.$ZodShape>(type: T, body: z.ZodObject<S>) =>
  z.object({ type: z.literal(type), ...durable, ...body.shape });

/** Durable frames: every event of a session, in the order of `seq`, without a gap. */
export const eventFrame = z.discriminatedUnion('type', [
  durableFrame('message_saved', eventBodies.message_saved),
  durableFrame('turn_started', eventBodies.turn_started),
  durableFrame('stream_start', eventBodies.stream_start),
  durableFrame('stream_reset', eventBodies.stream_reset),
  durableFrame('stream_end', eventBodies.stream_end),
  durableFrame('tool_call', eventBodies.tool_call),
  durableFrame('tool_approval_request', eventBodies.tool_approval_request),
  durableFrame('tool_approval_reminder', eventBodies.tool_approval_reminder),
  durableFrame('tool_approval_vote', eventBodies.tool_approval_vote),
  durableFrame('tool_approval_resolved', eventBodies.tool_approval_resolved),
  durableFrame('tool_started', eventBodies.tool_started),
  durableFrame('tool_result', eventBodies.tool_result),
  durableFrame('tool_late_result', eventBodies.tool_late_result),
  durableFrame('input_request', eventBodies.input_request),
  durableFrame('input_resolved', eventBodies.input_resolved),
  durableFrame('turn_end', eventBodies.turn_end),
  durableFrame('external_event', eventBodies.external_event),
  durableFrame('messages_removed', eventBodies.messages_removed),
  durableFrame('session_updated', eventBodies.session_updated),
]);
export type EventFrame = z.infer<typeof eventFrame>;

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

export const serverFrame = z.union([eventFrame, liveFrame]);
export type ServerFrame = z.infer<typeof serverFrame>;

/** Whether a frame is an event of the session: durable, with a `seq` of its own. */
export function isEventFrame(frame: ServerFrame): frame is EventFrame {
  return 'seq' in frame && frame.type !== 'cursor';
}

/** The `type` of every frame that a server sends. */
export const serverFrameTypes: ReadonlySet<string> = new Set(
  [...eventFrame.options, ...liveFrame.options].map((schema) => schema.shape.type.value),
);
