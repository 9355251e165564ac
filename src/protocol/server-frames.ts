import { z } from 'zod';
import { errorBody } from './errors.ts';
import {
  approvalOutcome,
  askedAgain,
  attachmentRef,
  gateDecision,
  inputAction,
  inputKind,
  json,
  participant,
  sessionState,
  timestamp,
  toolResultStatus,
  turnEndStatus,
  usage,
} from './frame-parts.ts';
import { liveFrame } from './live-frames.ts';

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
