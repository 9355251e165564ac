import { z } from 'zod';
import {
  authFrame,
  cancelFrame,
  inputResponseFrame,
  messageFrame,
  receivedFrame,
  resumeFrame,
  toolApprovalFrame,
  typingFrame,
} from './client-frames.ts';
import { PublicError } from './errors.ts';
import { limits } from './limits.ts';
import { isCleanText, protoKeyFault } from './text.ts';

const sessionId = z.string().min(1).max(64);
const inSession = { session_id: sessionId.optional() };

/**
 * What a Socket.IO client may send, one payload each. They are the frames of the native protocol without `type`, and
 * with the session that they mean, because one connection can take part in several.
 */
export const socketIoClientEvents = {
  /** Starts a turn; without `session_id` in the user's `default` session, which is made when it is missing. */
  user_message: messageFrame.omit({ type: true }).extend(inSession),
  typing: typingFrame.omit({ type: true }).extend(inSession),
  tool_approval: toolApprovalFrame.omit({ type: true }).extend(inSession),
  cancel: cancelFrame.omit({ type: true }).extend(inSession),
  input_response: inputResponseFrame.omit({ type: true }).extend(inSession),
  received: receivedFrame.omit({ type: true }).extend(inSession),
  /** Takes part in a session, from after `last_seq`; without one from now on. */
  resume: resumeFrame.omit({ type: true }).partial({ last_seq: true }).extend(inSession),
  /** Takes part no more. */
  leave: z.object({ id: resumeFrame.shape.id, session_id: sessionId }),
  auth: authFrame.omit({ type: true }),
} as const;
export type SocketIoClientEventName = keyof typeof socketIoClientEvents;
export type SocketIoClientEvent = {
  [Name in SocketIoClientEventName]: {
    name: Name;
    payload: z.infer<(typeof socketIoClientEvents)[Name]>;
  };
}[SocketIoClientEventName];

const maxOffsetChars = 2_000;

/** The `auth` of a handshake. `offset` is Socket.IO's own: what came with the last event, sent back at a reconnect. */
export const socketIoAuth = z.object({
  token: z.string().min(1).nullish(),
  device: z
    .string()
    .min(1)
    .max(limits.deviceChars)
    .refine(isCleanText, 'contains NUL or a lone surrogate')
    .optional(),
  /** Where delivery goes on, by session: the last `seq` that the client has; null begins with what comes now. */
  sessions: z
    .record(sessionId, z.int().nonnegative().nullable())
    .refine((sessions) => Object.keys(sessions).length <= limits.socketIoSessions, 'names too many sessions')
    .optional(),
  offset: z.string().max(maxOffsetChars).optional().catch(undefined),
});
export type SocketIoAuth = z.infer<typeof socketIoAuth>;

/**
 * Parses what a client sent under the name of an event.
 * @throws PublicError `validation_error`, in words that say which field and why
 */
export function parseSocketIoEvent(name: string, payload: unknown): SocketIoClientEvent {
  if (!isClientEvent(name)) {
    const known = Object.keys(socketIoClientEvents).join(', ');
    throw new PublicError(
      'validation_error',
      `There is no such event for a client to send. There are ${known}.`,
    );
  }
  if (payload === null || typeof payload !== 'object' || Array.isArray(payload)) {
    throw new PublicError('validation_error', `"${name}" needs an object as its first argument.`);
  }
  const fault = protoKeyFault(payload);
  if (fault !== null) throw new PublicError('validation_error', fault);
  const parsed = socketIoClientEvents[name].safeParse(payload);
  // The name chose the schema, so the two belong together.
  if (parsed.success) return { name, payload: parsed.data } as SocketIoClientEvent;
  const issue = parsed.error.issues[0];
  const where = issue?.path.length ? `Field "${issue.path.join('.')}": ` : '';
  throw new PublicError('validation_error', `${where}${issue?.message ?? 'invalid payload'}.`);
}

function isClientEvent(name: string): name is SocketIoClientEventName {
  return Object.hasOwn(socketIoClientEvents, name);
}
