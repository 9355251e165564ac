import type { ClientFrame, MessageFrame } from '../protocol/client-frames.ts';
import { randomId } from './runtime.ts';
import type { Json, Shown } from './state.ts';

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

/** What a person says of a tool call that waits. */
export interface Decision {
  approved: boolean;
  /** The model reads it where the call is rejected. */
  reason?: string | undefined;
  /** What is to run instead of what is shown. */
  arguments?: Json | undefined;
  /** Whether calls like it are asked about again; `once` (the default): they are. */
  remember?: 'once' | 'session' | 'always' | undefined;
  /** Of what was shown; by default, of what the snapshot holds. If something else waits, it is a `conflict`. */
  argumentsHash?: string | undefined;
  /** Of the tool that was shown; likewise. */
  toolHash?: string | undefined;
  /** Of the request that was shown; likewise. From the second one of a call on, a decision has to say it. */
  round?: number | undefined;
}

/** What a person says to an `input_request`. */
export interface Answer {
  action: 'accept' | 'decline' | 'cancel';
  /** Of an answer that accepts, as the `schema` of the question says. */
  content?: Json | undefined;
}

export function messageFrame(content: string, options: SendOptions): SentFrame {
  const { id = randomId(), onBusy, attachments } = options;
  return without({ type: 'message', id, content, on_busy: onBusy, attachments });
}

/** @param shown what it is about where the decision does not say it */
export function decisionFrame(toolCallId: string, decision: Decision, shown: Shown): SentFrame {
  const said = decisionBody({
    ...decision,
    argumentsHash: decision.argumentsHash ?? shown.argumentsHash,
    toolHash: decision.toolHash ?? shown.toolHash,
    round: decision.round ?? shown.round,
  });
  return without({ type: 'tool_approval', id: randomId(), tool_call_id: toolCallId, ...said });
}

/** A decision as the wire says it, also over HTTP. */
export function decisionBody({ argumentsHash, toolHash, ...said }: Decision) {
  return { ...said, arguments_hash: argumentsHash, tool_hash: toolHash };
}

export function answerFrame(requestId: string, { action, content }: Answer): SentFrame {
  return without({ type: 'input_response', id: randomId(), request_id: requestId, action, content });
}

/** Fields that are not given are not sent. */
function without(frame: SentFrame): SentFrame {
  return Object.fromEntries(Object.entries(frame).filter(([, value]) => value !== undefined)) as never;
}
