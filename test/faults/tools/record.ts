import type { StandingDecision } from '../../../src/protocol/live-frames.ts';
import type { EffectLine } from './effect-line.ts';
import type { CallArguments, PlannedCall } from './plan.ts';

/** What somebody sent about a call, and what they were answered in the end. */
export interface Said {
  nonce: string;
  toolCallId: string;
  by: string;
  via: 'websocket' | 'http';
  approved: boolean;
  /** What they want to run instead. */
  arguments?: CallArguments;
  answer:
    | { kind: 'recorded' | 'conflict'; decision: StandingDecision }
    /** One of several approvals that are needed. */
    | { kind: 'voted' }
    /** Acked, and nothing of a decision belongs to it. */
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
  error: { message: string } | null;
  round: number;
  grant_id: string | null;
}

export interface StoredDecision {
  tool_call_id: string;
  round: number;
  arguments_hash: string;
  decision: string;
  decided_by: string;
  /** Milliseconds since 1970. */
  decided_at: number;
  acted_at: number | null;
}

export interface StoredVote {
  tool_call_id: string;
  round: number;
  user_id: string;
  arguments_hash: string;
}

export interface StoredGrant {
  id: string;
  session_id: string;
  tool: string;
  granted_at: number;
}

/** Who did what to the approval of a call. */
export interface StoredAudit {
  tool_call_id: string;
  actor: string;
  action: string;
}

/** A question about a call. */
export interface StoredQuestion {
  id: string;
  tool_call_id: string | null;
  kind: string;
  action: string | null;
  content: unknown;
  answered_by: string | null;
  answered_at: number | null;
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

/** What somebody answered to a question, and what they were told in the end. */
export interface Answered {
  requestId: string;
  nonce: string;
  by: string;
  content: Record<string, string>;
  /** The ack's words; null where there was none. */
  told:
    | { kind: 'recorded' | 'conflict'; action: string; by: string }
    | { kind: 'refused'; words: string }
    | null;
}

/** Everything that can be known from outside when it is over; what the judge judges. */
export interface ToolsRecord {
  planned: PlannedCall[];
  said: Said[];
  answered: Answered[];
  effects: EffectLine[];
  calls: StoredCall[];
  decisions: StoredDecision[];
  votes: StoredVote[];
  grants: StoredGrant[];
  audit: StoredAudit[];
  questions: StoredQuestion[];
  turns: StoredTurn[];
  events: StoredEvent[];
  logs: ClientLog[];
  /** What did not end in time, and processes that died by themselves, in words. */
  stuck: string[];
  died: string[];
}
