import { z } from 'zod';
import { PublicError } from './errors.ts';
import { givenJson } from './given-json.ts';
import { limits } from './limits.ts';
import { onBusy } from './on-busy.ts';
import { isCleanJson, isCleanText, protoKeyFault } from './text.ts';

const cleanString = z
  .string()
  .refine(isCleanText, 'contains NUL or a lone surrogate, which no store can keep');
const clientId = cleanString.min(1).max(limits.clientIdChars);
const envelope = { id: clientId.optional() };

export const rememberScope = z.enum(['once', 'session', 'always']);
export type RememberScope = z.infer<typeof rememberScope>;

const attachmentId = cleanString.min(1).max(limits.clientIdChars);

export const messageFrame = z.object({
  type: z.literal('message'),
  ...envelope,
  content: cleanString.min(1, 'must not be empty').max(limits.messageChars),
  attachments: z
    .array(z.union([attachmentId, z.object({ id: attachmentId })]))
    .max(limits.attachmentsPerMessage)
    .optional()
    .describe('uploaded before; each by its id, or as the upload answered it'),
  on_busy: onBusy.optional().describe('what to do while a turn has not ended; else as the session says'),
});

export const typingFrame = z.object({ type: z.literal('typing'), ...envelope, active: z.boolean() });

export const toolApprovalFrame = z.object({
  type: z.literal('tool_approval'),
  ...envelope,
  tool_call_id: cleanString.min(1),
  approved: z.boolean(),
  arguments_hash: cleanString.optional().describe('of what was shown; `conflict` where something else waits'),
  round: z
    .int()
    .positive()
    .optional()
    .describe(
      'of the request that was shown; needed from the second round on, `conflict` where it is another',
    ),
  tool_hash: cleanString.optional().describe('of the tool that was shown; `conflict` where it has changed'),
  reason: cleanString
    .max(limits.reasonChars)
    .optional()
    .describe('the model reads it where the call is rejected'),
  arguments: z
    .record(z.string(), givenJson)
    .optional()
    .describe('what is to run instead of what was asked for; checked against the schema of the tool'),
  remember: rememberScope.optional().describe('whether the same tool is asked about again; `once`: it is'),
});

export const resumeFrame = z.object({
  type: z.literal('resume'),
  ...envelope,
  last_seq: z.int().nonnegative(),
});

export const cancelFrame = z.object({
  type: z.literal('cancel'),
  ...envelope,
  turn_id: cleanString.optional(),
});

export const inputResponseFrame = z.object({
  type: z.literal('input_response'),
  ...envelope,
  request_id: cleanString.min(1),
  action: z.enum(['accept', 'decline', 'cancel']),
  content: givenJson.optional(),
});

/** Everything up to `seq` arrived at this device. */
export const receivedFrame = z.object({
  type: z.literal('received'),
  ...envelope,
  seq: z.int().nonnegative(),
});

/** Goes on with a new token, without reconnecting. */
export const authFrame = z.object({ type: z.literal('auth'), ...envelope, token: z.string().min(1) });

export const pongFrame = z.object({ type: z.literal('pong'), ...envelope });
/** A client may measure the way to the gateway: answered with `pong`. */
export const pingFrame = z.object({ type: z.literal('ping'), ...envelope });

export const clientFrame = z.discriminatedUnion('type', [
  messageFrame,
  typingFrame,
  toolApprovalFrame,
  resumeFrame,
  cancelFrame,
  inputResponseFrame,
  receivedFrame,
  authFrame,
  pongFrame,
  pingFrame,
]);
export type ClientFrame = z.infer<typeof clientFrame>;
export type MessageFrame = z.infer<typeof messageFrame>;
export type InputResponseFrame = z.infer<typeof inputResponseFrame>;
export type ToolApprovalFrame = z.infer<typeof toolApprovalFrame>;

/** The ids of a message's attachments, each once, in their order. */
export function attachmentIds(frame: MessageFrame): string[] {
  const ids = (frame.attachments ?? []).map((ref) => (typeof ref === 'string' ? ref : ref.id));
  return [...new Set(ids)];
}

/** The `id` to echo in an error, where the broken frame had a usable one. */
export function frameId(raw: unknown): string | undefined {
  if (raw === null || typeof raw !== 'object') return undefined;
  const { id, message_id } = raw as Record<string, unknown>;
  const parsed = clientId.safeParse(id ?? message_id);
  return parsed.success ? parsed.data : undefined;
}

/**
 * Parses a client frame; `message_id` is taken as `id`.
 * @throws PublicError `validation_error`, in words that say which field and why
 */
export function parseClientFrame(raw: unknown): ClientFrame {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw)) {
    throw new PublicError('validation_error', 'A frame must be a JSON object with a "type".');
  }
  const { message_id, ...rest } = raw as Record<string, unknown>;
  const aliased = message_id !== undefined && rest.id === undefined ? { ...rest, id: message_id } : rest;
  if (!isCleanJson(aliased)) {
    throw new PublicError(
      'validation_error',
      'The frame contains NUL or a lone surrogate, which no store can keep; remove it and send again.',
    );
  }
  const fault = protoKeyFault(aliased);
  if (fault !== null) throw new PublicError('validation_error', fault);
  const parsed = clientFrame.safeParse(aliased);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? `Field "${issue.path.join('.')}": ` : '';
  throw new PublicError('validation_error', `${where}${issue?.message ?? 'invalid frame'}.`);
}
