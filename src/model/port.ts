import type { Usage } from '../protocol/frame-parts.ts';

export interface ModelToolCall {
  /** The model's own id; kept beside ours so that its server recognises the result. */
  id: string;
  name: string;
  /** As the model wrote it: JSON, perhaps broken. */
  arguments: string;
}

/** What a user attached, as the model gets it. */
export type ModelPart = { kind: 'text'; text: string } | { kind: 'image'; mediaType: string; base64: string };

export type ModelMessage =
  | { role: 'system'; content: string }
  | { role: 'user'; content: string; parts: ModelPart[] }
  | { role: 'assistant'; content: string; toolCalls: ModelToolCall[] }
  | { role: 'tool'; toolCallId: string; content: string };

export interface ModelTool {
  name: string;
  description: string;
  /** JSON Schema of the arguments. */
  parameters: Record<string, unknown>;
}

export interface ModelRequest {
  model: string;
  messages: ModelMessage[];
  tools: ModelTool[];
  /** As the model's server understands them; its own where not given. */
  temperature?: number | undefined;
  maxOutputTokens?: number | undefined;
  signal: AbortSignal;
}

/** Called synchronously, as pieces arrive; a piece is never empty. */
export interface ModelSink {
  text(piece: string): void;
  thought(piece: string): void;
}

export interface ModelAnswer {
  finishReason: string;
  toolCalls: ModelToolCall[];
  usage: Usage | null;
}

/** One model call. The text goes to the sink; the answer is what is known at the end. No retries inside. */
export interface ModelPort {
  /** @throws ModelError; the signal's reason when `signal` was aborted */
  stream(request: ModelRequest, sink: ModelSink): Promise<ModelAnswer>;
}

export type ModelErrorKind =
  | 'Unauthorized'
  | 'BadRequest'
  | 'NotFound'
  | 'RateLimited'
  | 'Unavailable'
  | 'Dropped'
  | 'Silent';

/** Why a model call failed, and whether another attempt may help. The message is fit for a user. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly kind: ModelErrorKind;
  readonly retryable: boolean;
  /** How long the server asked us to wait, where it did. */
  readonly retryAfterMs: number | undefined;
  constructor(
    kind: ModelErrorKind,
    message: string,
    options: { retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.retryable = kind !== 'Unauthorized' && kind !== 'BadRequest' && kind !== 'NotFound';
    this.retryAfterMs = options.retryAfterMs;
  }
}
