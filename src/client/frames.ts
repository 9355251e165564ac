import type { ClientFrame, MessageFrame } from '../protocol/client-frames.ts';
import { randomId } from './runtime.ts';
import type { Json } from './state.ts';

/** A frame to send. What a gateway does not take it refuses by a `validation_error`. */
export interface OutFrame {
  type: ClientFrame['type'];
  [field: string]: unknown;
}
/** One that is sent, with the same id, until it is answered. */
export interface SentFrame extends OutFrame {
  type: 'message' | 'tool_approval' | 'cancel' | 'input_response';
  id: string;
}

export interface SendOptions {
  /** Yours, at most 64 characters: sent again with it, a message is taken once. Made where it is not given. */
  id?: string;
  /** What becomes of it while a turn runs; the session's own setting unless given. */
  onBusy?: NonNullable<MessageFrame['on_busy']>;
  /** Attachments that were uploaded before. */
  attachments?: readonly { id: string }[];
}

export interface DecideOptions {
  /** The model hears it. */
  reason?: string;
  /** Of what was shown; by default, of what the snapshot holds. If something else waits, it is a `conflict`. */
  argumentsHash?: string | undefined;
  /** Edited arguments. */
  arguments?: Json;
  remember?: 'once' | 'session' | 'always';
}

export function messageFrame(content: string, options: SendOptions): SentFrame {
  const { id = randomId(), onBusy, attachments } = options;
  return without({ type: 'message', id, content, on_busy: onBusy, attachments });
}

export function decisionFrame(toolCallId: string, approved: boolean, options: DecideOptions): SentFrame {
  const { reason, argumentsHash, remember } = options;
  return without({
    type: 'tool_approval',
    id: randomId(),
    tool_call_id: toolCallId,
    approved,
    arguments_hash: argumentsHash,
    reason,
    arguments: options.arguments,
    remember,
  });
}

export function answerFrame(
  requestId: string,
  action: 'accept' | 'decline' | 'cancel',
  content: Json | undefined,
): SentFrame {
  return without({ type: 'input_response', id: randomId(), request_id: requestId, action, content });
}

/** Fields that are not given are not sent. */
function without(frame: SentFrame): SentFrame {
  return Object.fromEntries(Object.entries(frame).filter(([, value]) => value !== undefined)) as never;
}
