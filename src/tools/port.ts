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
  /** Not said counts as true, where it is not read-only. */
  destructiveHint?: boolean | undefined;
}

/** What a server asks a person in the middle of a call (MCP elicitation). */
export interface Elicitation {
  message: string;
  /** JSON Schema of the content of an answer that accepts. */
  schema: Record<string, unknown>;
  /**
   * Aborted when an answer is of no more use to this attempt: the server took its question back, the call has ended, or
   * (with a `ServerGone` as its reason) the server has.
   */
  signal: AbortSignal;
}

export type ElicitationAnswer =
  | { action: 'accept'; content: Record<string, unknown> }
  | { action: 'decline' | 'cancel' };

export interface ToolCallRequest {
  /** `server.tool`. */
  tool: string;
  arguments: Record<string, unknown>;
  /** Of the tool that is meant: a server that started again since, and tells otherwise, is not sent it. null: any. */
  toolHash: string | null;
  /** Ours; the same over all attempts. */
  toolCallId: string;
  signal: AbortSignal;
  /** Asked of people; the call's time stands still meanwhile. Rejects when the call is to be given up. */
  onElicit?(elicitation: Elicitation): Promise<ElicitationAnswer>;
  onProgress(progress: { progress: number; total?: number; message?: string }): void;
}

/**
 * `failed`: the tool (or its server, before it got the request) said no: nothing more will come of it.
 * `unknown`: the request went out and no answer came back, so its effect may or may not have happened.
 */
export type ToolOutcome =
  | { status: 'completed'; result: unknown; text: string }
  | {
      status: 'failed';
      result: unknown;
      text: string;
      error: ErrorBody;
      /** Its server did not get the request: nothing is said of an earlier attempt. */
      isUnsent?: boolean;
    }
  | {
      status: 'unknown';
      text: string;
      error: ErrorBody;
      /** Its server ended in the middle of the call, so what may be repeated can be made again at once. */
      isServerGone?: boolean;
    };

export interface ToolPort {
  /** `server.tool` for a name that may be bare: a tool of the default server, where one is configured. */
  fullName(name: string): string;
  /** Whether the tool's server asks before it does anything, so that a call may be let go while a question is open. */
  asksFirst(tool: string): boolean;
  /** The tools of every configured server; of a server that is down, none, and a log line. */
  list(): Promise<ToolDescriptor[]>;
  /**
   * The tool as its server tells of it; undefined where it has none of that name.
   * @param options.fresh ask the server now; otherwise what it last said will do
   * @throws Error with a sentence that says why the server cannot be asked
   */
  describe(tool: string, options: { fresh: boolean }): Promise<ToolDescriptor | undefined>;
  /** Rejects only with the signal's reason when `signal` was aborted; everything else is an outcome. */
  call(request: ToolCallRequest): Promise<ToolOutcome>;
  close(): Promise<void>;
}
