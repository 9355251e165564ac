import type { StandingDecision } from '../../../src/protocol/server-frames.ts';
import type { EffectLine } from './effect-line.ts';
import type { PlannedCall } from './plan.ts';

/** What somebody sent about a call, and what they were answered in the end. */
export interface Said {
  nonce: string;
  toolCallId: string;
  by: string;
  via: 'websocket' | 'http';
  approved: boolean;
  answer:
    | { kind: 'recorded' | 'conflict'; decision: StandingDecision }
    /** Acked, and no decision belongs to it. */
    | { kind: 'taken' }
    /** Refused for another reason. */
    | { kind: 'refused'; words: string }
    /** Never answered. */
    | { kind: 'none' };
}

export interface StoredCall {
  id: string;
  session_id: string;
  turn_id: string;
  tool: string;
  arguments: Record<string, unknown>;
  arguments_hash: string;
  gate: string;
  status: string;
  attempt: number;
  result: unknown;
}

export interface StoredDecision {
  tool_call_id: string;
  arguments_hash: string;
  decision: string;
  decided_by: string;
  /** Milliseconds since 1970. */
  decided_at: number;
  acted_at: number | null;
}

export interface StoredEvent {
  session_id: string;
  seq: number;
  type: string;
  body: Record<string, unknown>;
}

export interface StoredTurn {
  id: string;
  session_id: string;
  status: string;
  error: unknown;
}

/** What one client was given. */
export interface ClientLog {
  who: string;
  sessionId: string;
  /** Each event as `seq type`. */
  events: string[];
  faults: string[];
}

/** Everything that can be known from outside when it is over; what the judge judges. */
export interface ToolsRecord {
  planned: PlannedCall[];
  said: Said[];
  effects: EffectLine[];
  calls: StoredCall[];
  decisions: StoredDecision[];
  turns: StoredTurn[];
  events: StoredEvent[];
  logs: ClientLog[];
  /** What did not end in time, and processes that died by themselves, in words. */
  stuck: string[];
  died: string[];
}
