import { z } from 'zod';
import { type ErrorCode, errorBody, errorCode } from './errors.ts';
import { toolResultStatus, turnEndStatus, usage } from './frame-parts.ts';
import {
  ackFrame,
  agentStatusFrame,
  cursorFrame,
  presenceFrame,
  resyncFrame,
  toolProgressFrame,
  typingNoticeFrame,
  workflowProgressFrame,
} from './live-frames.ts';
import { eventBodies } from './server-frames.ts';

const timestamp = z.int().describe('milliseconds since 1970');
const said = { id: z.string(), session_id: z.string(), timestamp };
/** Where an event of the session is behind it: its number there. */
const numbered = { ...said, turn_id: z.string().optional(), seq: z.int().positive() };

export const socketIoErrorType = z.enum([
  'authentication_required',
  'processing_error',
  'tool_error',
  'rate_limit',
  'validation_error',
]);
export type SocketIoErrorType = z.infer<typeof socketIoErrorType>;

/** The type that Socket.IO clients know for each of our codes. */
export const socketIoErrorTypes: Record<ErrorCode, SocketIoErrorType> = {
  unauthorized: 'authentication_required',
  forbidden: 'validation_error',
  not_found: 'validation_error',
  validation_error: 'validation_error',
  rate_limit: 'rate_limit',
  conflict: 'validation_error',
  busy: 'rate_limit',
  tool_error: 'tool_error',
  model_error: 'processing_error',
  processing_error: 'processing_error',
  unavailable: 'processing_error',
};

/** A durable frame under its native name: all its fields but `type`. */
const durable = <Shape extends z.core.$ZodShape>(body: z.ZodObject<Shape>) =>
  z.object({
    session_id: z.string(),
    seq: z.int().positive(),
    ts: timestamp,
    turn_id: z.string().optional(),
    ...body.shape,
  });
/** A live frame under its native name: all its fields but `type`, and the session that it is about. */
const live = { session_id: z.string() };

/** What a Socket.IO client gets, one payload each. */
export const socketIoServerEvents = {
  connection_established: z.object({
    status: z.literal('connected'),
    session_id: z.string().describe("the connection's id"),
    authenticated: z.boolean(),
    user: z.object({ id: z.string(), email: z.string().nullable(), name: z.string().nullable() }).nullable(),
    timestamp,
  }),
  /** The connection takes part in a session from here on. */
  session_joined: z.object({
    ...live,
    last_seq: z.int().nonnegative(),
    received_seq: z
      .int()
      .nonnegative()
      .optional()
      .describe('what this device said last that it has received'),
    timestamp,
  }),
  /** It does not any more: it was left, or closed to this user; `code` is a close code of the native protocol. */
  session_left: z.object({ ...live, code: z.int(), reason: z.string(), timestamp }),
  agent_response_chunk: z.object({
    ...said,
    content: z.string().describe('all of the message so far: show this'),
    delta: z.string().describe('what was appended to the chunk before; empty where the text was replaced'),
    final: z.boolean().describe('the message is complete'),
    turn_id: z.string().optional(),
    seq: z.int().positive().optional(),
  }),
  agent_thought: z.object({
    ...said,
    content: z.string(),
    delta: z.string(),
    kind: z.enum(['reasoning', 'tool_choice']),
    turn_id: z.string().optional(),
  }),
  tool_call_start: z.object({
    ...numbered,
    tool_name: z.string(),
    tool_args: z.json(),
    attempt: z.int(),
  }),
  tool_call_result: z.object({
    ...numbered,
    tool_name: z.string(),
    tool_result: z.json(),
    status: toolResultStatus,
    error: errorBody.nullable(),
  }),
  tool_error: z.object({ ...numbered, error: errorCode, message: z.string() }),
  conversation_complete: z.object({
    ...numbered,
    status: turnEndStatus,
    error: errorBody.optional(),
    usage: usage.nullable(),
  }),
  error: z.object({
    type: socketIoErrorType,
    message: z.string(),
    timestamp,
    session_id: z.string().describe("the session that it is about, else the connection's id"),
    code: errorCode,
    id: z.string().optional(),
    tool_call_id: z.string().optional(),
    details: z.json().optional(),
  }),
  ack: ackFrame.omit({ type: true }).extend(live),
  cursor: cursorFrame.omit({ type: true }).extend(live),
  resync: resyncFrame.omit({ type: true }).extend(live),
  agent_status: agentStatusFrame.omit({ type: true }).extend(live),
  workflow_progress: workflowProgressFrame.omit({ type: true }).extend(live),
  tool_progress: toolProgressFrame.omit({ type: true }).extend(live),
  typing: typingNoticeFrame.omit({ type: true }).extend(live),
  presence: presenceFrame.omit({ type: true }).extend(live),
  message_saved: durable(eventBodies.message_saved),
  turn_started: durable(eventBodies.turn_started),
  tool_call: durable(eventBodies.tool_call),
  tool_approval_request: durable(eventBodies.tool_approval_request),
  tool_approval_resolved: durable(eventBodies.tool_approval_resolved),
  tool_late_result: durable(eventBodies.tool_late_result),
  input_request: durable(eventBodies.input_request),
  input_resolved: durable(eventBodies.input_resolved),
  external_event: durable(eventBodies.external_event),
  messages_removed: durable(eventBodies.messages_removed),
  session_updated: durable(eventBodies.session_updated),
} as const;
export type SocketIoServerEventName = keyof typeof socketIoServerEvents;
export type SocketIoPayload<Name extends SocketIoServerEventName> = z.infer<
  (typeof socketIoServerEvents)[Name]
>;
