import type { ErrorBody } from '../protocol/errors.ts';

export interface ToolDescriptor {
  /** `server.tool`. */
  name: string;
  server: string;
  description: string;
  inputSchema: Record<string, unknown>;
  /** What the server says of its tool; to be believed only where the server is named as trusted. */
  readOnlyHint: boolean;
  idempotentHint: boolean;
}

export interface ToolCallRequest {
  /** `server.tool`. */
  tool: string;
  arguments: Record<string, unknown>;
  /** Ours; the same over all attempts. */
  toolCallId: string;
  signal: AbortSignal;
  onProgress(progress: { progress: number; total?: number; message?: string }): void;
}

/**
 * `failed`: the tool (or its server, before it got the request) said no: nothing more will come of it.
 * `unknown`: the request went out and no answer came back, so its effect may or may not have happened.
 */
export type ToolOutcome =
  | { status: 'completed'; result: unknown; text: string }
  | { status: 'failed'; result: unknown; text: string; error: ErrorBody }
  | { status: 'unknown'; text: string; error: ErrorBody };

export interface ToolPort {
  /** The tools of every configured server; of a server that is down, none, and a log line. */
  list(): Promise<ToolDescriptor[]>;
  /** Rejects only with the signal's reason when `signal` was aborted; everything else is an outcome. */
  call(request: ToolCallRequest): Promise<ToolOutcome>;
  close(): Promise<void>;
}
