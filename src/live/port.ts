import type { AgentStatusFrame, LiveFrame } from '../protocol/live-frames.ts';
import type { EventFrame } from '../protocol/server-frames.ts';

/** Streamed text of one message; both texts are numbered apart, in UTF-16 code units. */
export interface LiveDelta {
  kind: 'delta';
  sessionId: string;
  messageId: string;
  attempt: number;
  /** `text` is shown as the message, `thought` is the model's reasoning. */
  channel: 'text' | 'thought';
  offset: number;
  delta: string;
}

/** Durable events after their commit, in the order of `seq`. */
export interface LiveEvents {
  kind: 'events';
  sessionId: string;
  events: EventFrame[];
}

/** Stands for events too large for the adapter: whoever serves the session reads up to `lastSeq`. */
export interface LiveAnnouncement {
  kind: 'announce';
  sessionId: string;
  lastSeq: number;
}

/** A frame without `seq` for everybody connected to the session. */
export interface LiveNotice {
  kind: 'notice';
  sessionId: string;
  frame:
    | AgentStatusFrame
    | Extract<LiveFrame, { type: 'agent_thought' | 'tool_progress' | 'workflow_progress' }>;
}

export type SessionMessage = LiveDelta | LiveEvents | LiveAnnouncement | LiveNotice;

/** Tells the worker that runs this turn to look at the store at once (`cancel`, `input`), or to stop. */
export interface TurnNudge {
  kind: 'cancel' | 'input' | 'stop';
  turnId: string;
}

/** Tells gateways to look at the store at once. Each hears all of them, also its own. */
export type GatewayNudge =
  /** There are closures for the connections of this gateway. */
  | { kind: 'closures'; gatewayId: string }
  /** Somebody came to the session, or left it. */
  | { kind: 'presence'; sessionId: string }
  /** A connection types, still types, or stopped. */
  | { kind: 'typing'; sessionId: string; connectionId: string; userId: string; active: boolean };

/**
 * The live plane: what carries events, deltas and nudges between processes now. It may lose, double or delay
 * anything; it never reorders what one publisher published for one session. Nothing may depend on it but speed.
 */
export interface LivePlane {
  /** Deltas and notices of this process that were dropped, since the start. */
  readonly dropped: number;
  /** Returns at once; never throws. What cannot be sent is dropped, counted and healed by the store. */
  publish(message: SessionMessage): void;
  nudge(nudge: TurnNudge): void;
  nudgeGateways(nudge: GatewayNudge): void;
  /** Calls `handler` for every session message of every process, also this one's. Answers the unsubscribe. */
  subscribe(handler: (message: SessionMessage) => void): Promise<() => Promise<void>>;
  subscribeNudges(handler: (nudge: TurnNudge) => void): Promise<() => Promise<void>>;
  subscribeGatewayNudges(handler: (nudge: GatewayNudge) => void): Promise<() => Promise<void>>;
  /**
   * Called after the way to other processes was down and is up again: messages were lost meanwhile, so
   * whoever relies on them reads the store now.
   */
  onRestored(handler: () => void): void;
  /** Sends what is waiting (bounded), then closes the connections. */
  close(): Promise<void>;
}
