import type { CallArguments, ToolName } from './plan.ts';

/** One execution of a tool, as its server wrote it. */
export interface EffectLine {
  /** What the tool answered, or would have answered had it not known the key. */
  id: string;
  tool: ToolName;
  /** The idempotency key that came with the call. */
  key: string;
  /** Names the planned call. */
  nonce: string;
  arguments: CallArguments;
  /** What a person had answered to the tool. */
  choice?: string;
  /** Counts the lines of this key from 1. */
  attempt: number;
  /** Milliseconds since 1970. */
  at: number;
  pid: number;
}

/** What the server tells while it works, before it goes on. */
export interface Moment {
  /** `received`: it has the request. `written`: the effect is on disk, nothing is answered yet. */
  moment: 'received' | 'written';
  nonce: string;
  key: string;
  /** Of the server. */
  pid: number;
}
